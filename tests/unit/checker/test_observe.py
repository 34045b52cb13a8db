# SPDX-License-Identifier: MIT
"""What can be observed at one instant and in one step."""

from typing import Any

import pytest

from lppack.checker.machine import NEW, OLD, Frame, Globals, Phase, Place, Thread
from lppack.checker.observe import (
    MATRIX,
    WORDS,
    Seen,
    activations,
    in_step,
    in_thread,
    is_under_way,
    moved_in_stop,
    names,
    together,
)
from tests.unit.checker.sample import machine


def thread(*stack: tuple[int, int], **more: Any) -> Thread:
    return Thread(place=Place.KERNEL, stack=tuple(Frame(*f) for f in stack), **more)


@pytest.mark.parametrize(
    ("t", "seen"),
    [
        (thread(), Seen(0)),
        (thread((0, OLD), (1, OLD)), Seen(0)),
        (thread((0, OLD), (1, NEW)), Seen.OLD_CALLS_NEW),
        (thread((0, NEW), (1, OLD)), Seen.NEW_CALLS_OLD),
        (thread((0, OLD), (0, NEW)), Seen.OLD_CALLS_NEW | Seen.SAME_IN_STACK),
        (thread((0, NEW), (0, NEW)), Seen(0)),  # it calls itself
        (thread(in_p=0b11), Seen.MIX_IN_P),
        (thread(in_p=0b10, in_k=0b01), Seen(0)),
        (thread(in_k=0b101), Seen.MIX_IN_KERNEL),
    ],
)
def test_one_thread(t: Thread, seen: Seen) -> None:
    assert in_thread(t) == seen


def test_a_frame_outside_of_the_patch_is_no_caller() -> None:
    outside = Thread(stack=(Frame(0, OLD), Frame(2), Frame(1, NEW)))
    assert in_thread(outside) == 0
    assert activations([outside]) == {(0, OLD), (1, NEW)}


TRANSITION = Globals(phase=Phase.TRANSITION, target=NEW, turns=1)


@pytest.mark.parametrize(
    ("k", "threads", "seen"),
    [
        (TRANSITION, [], Seen(0)),
        (
            TRANSITION,
            [thread((0, OLD), u=(OLD,)), thread((1, NEW), u=(NEW,))],
            Seen.BOTH_AT_ONCE | Seen.NEW_BEFORE_DONE,
        ),
        (
            TRANSITION,
            [thread((0, OLD), u=(OLD,)), thread((0, NEW), u=(NEW,))],
            Seen.BOTH_AT_ONCE | Seen.SAME_AT_ONCE | Seen.NEW_BEFORE_DONE,
        ),
        (TRANSITION, [thread((0, OLD), u=(NEW,))], Seen.OLD_AFTER_DONE),
        (TRANSITION, [thread((0, NEW), u=(NEW,))], Seen(0)),
        (Globals(), [thread((0, OLD), u=(OLD,))], Seen(0)),
        (TRANSITION._replace(conv=1), [], Seen.CONVERTING_EARLY),
        (TRANSITION._replace(conv=1, phase=Phase.COMPLETE), [], Seen(0)),
    ],
)
def test_all_threads_together(k: Globals, threads: list[Thread], seen: Seen) -> None:
    assert together(k, threads) == seen


def test_the_last_flip_with_somebody_inside() -> None:
    before, after = thread((0, OLD), u=(OLD,)), thread((0, OLD), u=(NEW,))
    assert in_step((TRANSITION, [before]), (TRANSITION, [after])) == Seen.LIVE_AT_FLIP
    empty = Thread(u=(OLD,)), Thread(u=(NEW,))
    assert in_step((TRANSITION, [empty[0]]), (TRANSITION, [empty[1]])) == 0
    assert in_step((TRANSITION, [after]), (TRANSITION, [after])) == 0, "it was done before"
    applied = Globals(target=OLD), TRANSITION
    assert in_step((applied[0], [after]), (applied[1], [after])) == 0, "R6 is no flip"


def test_while_the_world_is_stopped_nobody_moves() -> None:
    assert moved_in_stop(Globals(stopped=1), "R1") == Seen.MOVED_IN_STOP
    assert moved_in_stop(Globals(stopped=1), "T1") == 0
    assert moved_in_stop(Globals(), "R1") == 0


def test_a_transition_that_waits_for_a_sleeper_may_be_turned_back() -> None:
    asleep = Thread(place=Place.BLOCKED)
    assert is_under_way(machine(revert=True), (TRANSITION, (asleep,)))
    assert not is_under_way(machine(revert=True), (TRANSITION, (Thread(),)))
    assert not is_under_way(machine(), (TRANSITION, (asleep,)))
    back = TRANSITION._replace(target=OLD)
    assert not is_under_way(machine(revert=True), (back, (asleep,)))


def test_a_mask_is_its_flags() -> None:
    assert [*names(Seen.MIX_IN_P | Seen.STUCK)] == [Seen.MIX_IN_P, Seen.STUCK]
    assert [*names(0)] == []


def test_each_flag_is_one_bit_and_is_said_once() -> None:
    assert all(flag.value.bit_count() == 1 for flag in Seen)
    for said in ([words for _, words in WORDS.values()], [title for _, title in MATRIX]):
        assert len(set(said)) == len(said)
