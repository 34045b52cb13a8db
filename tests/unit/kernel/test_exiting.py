# SPDX-License-Identifier: MIT
"""How threads that exit can be found."""

import pytest

from lppack import abi
from lppack.kernel.exiting import exit_list, waits_for_exits
from lppack.model import ExitList
from tests.kit.fake_facts import FACTS, with_exit_lists


def test_up_to_68_rcu_waits_for_them() -> None:
    assert waits_for_exits(FACTS)
    assert exit_list(FACTS) is None


def test_since_69_they_are_on_lists() -> None:
    facts = with_exit_lists()
    assert not waits_for_exits(facts)
    assert exit_list(facts) == ExitList(head=16, node=16)


@pytest.mark.parametrize("lacks", [abi.EXIT_LISTS, abi.VMAP_STACK])
def test_lists_that_cannot_be_read(lacks: str) -> None:
    facts = with_exit_lists()
    facts.objects["vmlinux"] = [one for one in facts.objects["vmlinux"] if one.name != lacks]
    assert exit_list(facts) is None
