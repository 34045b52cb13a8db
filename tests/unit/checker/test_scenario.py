# SPDX-License-Identifier: MIT
"""A patch and a mode as machines: what is declared of the patch, and what its needs forbid."""

from itertools import product

import pytest

from lppack import abi, consistency
from lppack.checker.machine import Hook, Kind, Method, Place
from lppack.checker.observe import Seen
from lppack.checker.scenario import (
    SOME_FUNCTION,
    Patch,
    converting,
    ending,
    forbidden,
    representatives,
    settings,
    showing,
    switching,
    too_many_kinds,
)
from lppack.checker.semantics import Rules
from lppack.checker.upstream import looks_for_addresses
from lppack.consistency import EngineName, Leave, Mode, ModeName, Needs, Switch, Transform
from tests.unit.checker.sample import PATCH

NEEDS = Needs(leave=Leave.LEAVE_PATCHED_SET, switch=Switch.SWITCH_THREAD)


def patch(*functions: str, **more: object) -> Patch:
    return Patch(functions=functions, needs=NEEDS, **more)  # type: ignore[arg-type]


def mode(name: ModeName) -> Mode:
    return consistency.mode_named(name)


def test_calls_go_through_functions_of_others() -> None:
    calls = {"f": ("x",), "x": ("y", "x"), "y": ("g", "f"), "g": ()}
    made = patch("f", "g", calls=calls)
    assert made.called_by("f") == ("g", "f")
    assert made.called_by("g") == ()
    assert patch("f").called_by("f") == ()


def test_one_function_stands_for_all_that_call_alike() -> None:
    chain = patch("a", "b", "c", "d", calls={"a": ("c",), "b": ("d",)})
    assert representatives(chain) == (("a", "c"), ((1,), ()))
    assert representatives(patch("a", "b", calls={})) == (("a",), ((),))
    itself = patch("a", calls={"a": ("a",)})
    assert representatives(itself) == (("a",), ((0,),))


def test_where_nothing_is_declared_one_calls_another() -> None:
    assert representatives(patch("a", "b", "c")) == (("a", "b"), ((1,), ()))
    assert representatives(patch("a")) == (("a",), ((0,),))
    assert representatives(patch()) == ((), ())
    first = patch("a", "b", "c", interdependent=(("c", "a"),))
    assert representatives(first)[0] == ("c", "a")


def test_too_many_ways_to_call_are_taken_as_any() -> None:
    calls = {"a": ("b",), "b": ("c",)}
    assert too_many_kinds(patch("a", "b", "c", calls=calls))
    assert representatives(patch("a", "b", "c", calls=calls)) == (("a", "b"), ((1,), ()))
    assert not too_many_kinds(patch("a", "b", calls={"a": ("b",)}))
    assert not too_many_kinds(patch("a", "b", "c")), "nothing is declared"
    assert not too_many_kinds(patch(calls=calls))


@pytest.mark.parametrize("name", ModeName)
def test_a_mode_runs_as_its_engine_runs_it(name: ModeName) -> None:
    made, found = mode(name), settings(mode(name))
    assert found["gate"] is (made.switch is Switch.SWITCH_KERNEL)
    assert (found.get("method") is Method.COUNT) is made.counts
    assert found["hook"] in Hook


def test_the_kernels_own_check_is_used_where_its_engine_moves_threads() -> None:
    hybrid = mode(ModeName.HYBRID)
    plain = switching(PATCH, hybrid, Rules())
    assert not plain.preempted and plain.rules.flip is not looks_for_addresses
    own = switching(PATCH, hybrid, Rules(), preempted=EngineName.LIVEPATCH)
    assert own.preempted and own.rules.flip is looks_for_addresses
    ours = switching(PATCH, hybrid, Rules(), preempted=EngineName.CONSISTENCY)
    assert ours.preempted and ours.rules.flip is not looks_for_addresses


def test_data_that_changes_has_a_machine_of_its_own() -> None:
    hybrid = mode(ModeName.HYBRID)
    assert converting(patch("f"), hybrid, Rules()) is None
    m = converting(PATCH, hybrid, Rules())
    assert m is not None
    assert (m.functions, m.objects, m.atomic, m.lifetimes) == ((SOME_FUNCTION,), 1, False, True)
    assert showing(PATCH, hybrid, Rules()).objects == 1
    assert showing(patch("f"), hybrid, Rules()).objects == 0


def test_who_never_leaves_and_who_sleeps_is_there_from_the_begin() -> None:
    never, slept = next(iter(abi.NEVER_LEFT)), next(iter(abi.SLEPT_IN))
    made = patch("f", never, slept)
    assert (made.never_left, made.slept_in) == ((never,), (slept,))
    assert patch("f", sleeps=("f",)).slept_in == ("f",)
    m, (_, threads) = ending(made, mode(ModeName.HYBRID), Rules())
    assert m.functions == ("f", never, slept)
    assert (m.stays, m.sleeps) == ((1,), (2,))
    inside = [t for t in threads if t.stack]
    assert [(t.kind, t.stack[0].fn) for t in inside] == [(Kind.KTHREAD, 1), (Kind.TASK, 2)]
    assert all(t.place == Place.KERNEL for t in inside)
    m, (_, threads) = ending(patch("f"), mode(ModeName.HYBRID), Rules())
    assert (m.stays, m.sleeps, len(threads)) == ((), (), 2)


def test_stronger_needs_never_forbid_less() -> None:
    pairs = [*product(Leave, Switch)]
    for leave, switch in pairs:
        weak = forbidden(Needs(leave=leave, switch=switch)) & ~Seen.OLD_AFTER_DONE
        for more, much in pairs:
            if more.value >= leave.value and much.value >= switch.value:
                assert weak & ~forbidden(Needs(leave=more, switch=much)) == 0


@pytest.mark.parametrize(
    ("leave", "switch", "seen"),
    [
        (Leave.LEAVE_FUNCTION, Switch.SWITCH_KERNEL, Seen(0)),
        (Leave.LEAVE_PATCHED_SET, Switch.SWITCH_FUNCTION, Seen.OLD_AFTER_DONE),
        (Leave.LEAVE_PATCHED_SET, Switch.SWITCH_THREAD, Seen.MIX_IN_P),
        (
            Leave.LEAVE_KERNEL,
            Switch.SWITCH_KERNEL,
            Seen.MIX_IN_P | Seen.MIX_IN_KERNEL | Seen.BOTH_AT_ONCE,
        ),
    ],
)
def test_what_needs_forbid(leave: Leave, switch: Switch, seen: Seen) -> None:
    assert forbidden(Needs(leave=leave, switch=switch)) == seen


def test_what_data_forbids() -> None:
    on_access = Needs(
        leave=NEEDS.leave, switch=NEEDS.switch, transform=Transform.TRANSFORM_ON_ACCESS
    )
    assert forbidden(on_access) - forbidden(NEEDS) == (
        Seen.OLD_NEW | Seen.FREED_TOUCHED | Seen.FORM_CHANGED
    )
    world = Needs(leave=NEEDS.leave, switch=NEEDS.switch, transform=Transform.TRANSFORM_WORLD)
    assert forbidden(world) & (Seen.NEW_OLD | Seen.OLD_DATA_LEFT | Seen.STALE_POINTER)
