# SPDX-License-Identifier: MIT
"""How to find threads that are exiting, and that are no longer on a list of processes."""

from lppack import abi
from lppack.kernel.facts import Facts
from lppack.model import ExitList


def waits_for_exits(facts: Facts) -> bool:
    """Return True if synchronize_rcu_tasks() waits until exiting threads have ended."""
    return bool(facts.copies(abi.EXIT_SRCU))


def exit_list(facts: Facts) -> ExitList | None:
    """Return where the lists of exiting threads are; None: there are none, or not found."""
    if not facts.copies(abi.EXIT_LISTS) or not facts.copies(abi.VMAP_STACK):
        return None
    head = _list_in(facts, *abi.EXIT_HEAD)
    node = _list_in(facts, *abi.EXIT_NODE)
    return None if head is None or node is None else ExitList(head=head, node=node)


def _list_in(facts: Facts, struct: str, name: str) -> int | None:
    found = {
        member.offset // 8
        for layout in facts.layouts(struct)
        for member in layout.members
        if (member.name, member.type) == (name, "struct list_head")
    }
    return found.pop() if len(found) == 1 else None
