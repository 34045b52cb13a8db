# SPDX-License-Identifier: MIT
"""One moment of a run, in words."""

import pytest

from lppack.checker.machine import (
    NEW,
    OLD,
    Form,
    Frame,
    Globals,
    Machine,
    Object,
    Phase,
    Place,
    Thread,
)
from lppack.checker.scene import PHASES, Scene, object_words, switches
from lppack.checker.works import FPUT, LATE, OURS
from lppack.consistency import Leave, Switch
from tests.unit.checker.sample import machine

M = machine(functions=("f", "g"), outside=("x",))


def thread(t: Thread) -> str:
    [words] = Scene(M, (Globals(), (t,))).threads
    return words


@pytest.mark.parametrize(
    ("t", "words"),
    [
        (Thread(), "user space"),
        (Thread(u=(NEW,)), "user space [new]"),
        (Thread(place=Place.KERNEL), "kernel"),
        (Thread(place=Place.HELD), "kernel, held at the gate"),
        (
            Thread(place=Place.BLOCKED, stack=(Frame(0, OLD), Frame(2), Frame(1, NEW)), u=(OLD,)),
            "f(old) > x() > g(new), asleep [old]",
        ),
        (
            Thread(place=Place.KERNEL, inside=Form.IN_HANDLER, pending=(1, NEW)),
            "kernel, in the ftrace call to g(new)",
        ),
        (
            Thread(place=Place.EXIT_LOOP, running=(OURS,), works=(FPUT, LATE)),
            "kernel, in the exit loop, works: the engine's, fput, a late one of the engine's",
        ),
        (Thread(place=Place.KERNEL, gone=1), "kernel, off the list"),
        (Thread(place=Place.KERNEL, inside=Form.FLAG_READ), "kernel, read the flag"),
        (
            Thread(place=Place.KERNEL, inside=Form.LOCKED_NEW),
            "kernel, holds the lock, found the new form",
        ),
    ],
)
def test_a_thread(t: Thread, words: str) -> None:
    assert thread(t) == words


def kernel(k: Globals, m: Machine = M) -> str:
    return Scene(m, (k, ())).kernel


@pytest.mark.parametrize("phase", Phase)
def test_the_phase_comes_first(phase: Phase) -> None:
    assert kernel(Globals(phase=phase)) == PHASES[phase]


def test_the_switch_words_of_the_kernel() -> None:
    by_function = machine(
        Leave.LEAVE_FUNCTION, Switch.SWITCH_FUNCTION, functions=("f", "g"), strict=True
    )
    k = Globals(sw=(OLD, NEW))
    assert kernel(k, by_function) == "not applied, f old, g new"
    assert switches(by_function, k) == (("f", OLD), ("g", NEW))
    one = machine(switch=Switch.SWITCH_KERNEL)
    assert kernel(Globals(sw=(NEW,)), one) == "not applied, new"
    assert switches(M, Globals()) == ()


def test_what_it_waits_for_and_its_data() -> None:
    k = Globals(waiting=1, stopped=1, conv=1, data=(Object(form=NEW, tracked=1), Object(live=0)))
    assert kernel(k) == (
        "not applied, the engine waits for its works, stopped, converting, object new, tracked, "
        "object freed"
    )
    assert "spinning" in kernel(Globals(spin=1))
    assert "not converting, object old" in kernel(Globals(data=(Object(),)))
    assert object_words(Object()) == "old"


def test_two_scenes_are_equal_by_their_state() -> None:
    state = M.first((0,))
    assert Scene(M, state) == Scene(machine(), state)
    assert "machine" not in repr(Scene(M, state))
