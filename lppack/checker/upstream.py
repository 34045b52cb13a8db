# SPDX-License-Identifier: MIT
"""The kernel's own livepatch: what its stack check looks for (kernel/livepatch/transition.c)."""

from collections.abc import Iterable
from dataclasses import replace

from lppack.checker.machine import OLD, ON_THE_WAY, Globals, Machine, Phase, Thread
from lppack.checker.semantics import Flipped, Rules, flip, flipped


def rules_of(rules: Rules) -> Rules:
    """Return ``rules`` with upstream's stack check as R8, unless R8 is replaced already."""
    return replace(rules, flip=looks_for_addresses) if rules.flip is flip else rules


def looks_for_addresses(
    m: Machine, k: Globals, t: Thread, others: Iterable[Thread], word: int
) -> Flipped | None:
    """R8 of klp_check_stack_func(): a thread is inside if its stack has an address in the function
    that it must leave. In the ftrace call, the stack has only the original function, whichever was
    chosen: the new one is only in the saved registers."""
    leaves = t.u[word]
    calls = t.inside in ON_THE_WAY and leaves == OLD
    if k.phase != Phase.TRANSITION or calls or any(frame.univ == leaves for frame in t.stack):
        return None
    return flipped(m, k, t, word)
