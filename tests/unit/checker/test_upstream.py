# SPDX-License-Identifier: MIT
"""What the kernel's own stack check finds, and what it misses."""

from dataclasses import replace
from typing import Any

import pytest

from lppack.checker.explorer import explore
from lppack.checker.machine import NEW, OLD, Form, Frame, Globals, Hook, Phase, Place, Thread
from lppack.checker.observe import Seen
from lppack.checker.semantics import Rules
from lppack.checker.upstream import looks_for_addresses, rules_of
from tests.unit.checker.mutations import mutated
from tests.unit.checker.sample import machine

TO_NEW = Globals(phase=Phase.TRANSITION, target=NEW, turns=1)


def switches(t: Thread, k: Globals = TO_NEW) -> bool:
    return looks_for_addresses(machine(), k, t, (), 0) is not None


@pytest.mark.parametrize(
    ("t", "switched"),
    [
        (Thread(u=(OLD,)), True),
        (Thread(u=(OLD,), place=Place.KERNEL, stack=(Frame(0, OLD),)), False),
        # One that was entered in the new universe is none that it has to leave.
        (Thread(u=(OLD,), place=Place.KERNEL, stack=(Frame(0, NEW),)), True),
        (Thread(u=(OLD,), place=Place.KERNEL, inside=Form.IN_HANDLER, pending=(0, OLD)), False),
    ],
)
def test_a_thread_switches_if_its_stack_has_no_address_of_what_it_leaves(
    t: Thread, switched: bool
) -> None:
    assert switches(t) is switched


def test_on_the_way_back_the_ftrace_call_hides_the_new_function() -> None:
    """Its address is only in the saved registers."""
    caller = Thread(u=(NEW,), place=Place.KERNEL, inside=Form.IN_HANDLER, pending=(0, NEW))
    assert switches(caller, TO_NEW._replace(target=OLD))


def test_without_a_transition_nothing_switches() -> None:
    assert not switches(Thread(u=(OLD,)), Globals())


def test_preempted_there_a_revert_mixes_and_ours_does_not() -> None:
    settings: dict[str, Any] = {
        "hook": Hook.BORDER,
        "preempted": True,
        "revert": True,
        "depth": 2,
        "functions": ("f", "g"),
        "calls": ((1,), ()),
        "roots": (0,),
    }
    assert explore(machine(rules=rules_of(Rules()), **settings), (0,)).seen & Seen.MIX_IN_P
    assert not explore(machine(**settings), (0,)).seen & Seen.MIX_IN_P


def test_a_check_that_is_replaced_already_stays_so() -> None:
    faulty = mutated("skip-the-check")
    assert rules_of(faulty).flip is faulty.flip
    assert rules_of(Rules()) == replace(Rules(), flip=looks_for_addresses)
