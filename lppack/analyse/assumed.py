# SPDX-License-Identifier: MIT
"""What a simulation assumes, in words: said before its verdict."""

from collections.abc import Iterator

from lppack.checker import scenario
from lppack.checker.scenario import Patch
from lppack.consistency import EngineName, Leave, Mode, Transform

_PAIRS = 6  # the maximum number of calls to list


def assumptions(patch: Patch, mode: Mode, preempted: EngineName | None) -> Iterator[str]:
    yield from _of_calls(patch)
    if preempted:
        yield (
            f"kernel code is preempted, also in the ftrace call of a replaced function, and engine "
            f"{preempted} moves the threads; that was not explored with any number of them"
        )
    if not scenario.forbidden(patch.needs):
        yield (
            "LEAVE_FUNCTION lets a thread switch wherever it is, so the needs forbid nothing, and "
            "every mode is safe for them: declare what must hold"
        )
    if patch.needs.transform is not Transform.NONE and len(patch.functions) > 1:
        yield (
            "which functions touch the data is not declared: in the runs about it "
            f"{scenario.SOME_FUNCTION}() stands for any of them"
        )
    if patch.needs.transform is Transform.TRANSFORM_WORLD:
        yield "every function that may hold a pointer to a converted object is in the patch (R13)"
    if mode.leave is Leave.LEAVE_KERNEL:
        yield f"kernel threads never leave the kernel: for them this is {mode.kthread.name}"
        yield "system calls end"
    if mode.leave is not Leave.LEAVE_FUNCTION and patch.functions and not patch.slept_in:
        yield (
            "no thread sleeps in a replaced function without limit: if one may, declare it "
            "(workload: sleeps); --sample estimates how long"
        )


def _of_calls(patch: Patch) -> Iterator[str]:
    """Yield which functions may call which, and which stand for others in the runs."""
    if not patch.functions:
        yield "no function is replaced: the hooks act, and what they do is not simulated"
        return
    number = len(patch.functions)
    any_any = "any function of the patch may call any other, two deep"
    if scenario.too_many_kinds(patch):
        yield f"what workload says of calls is too much to be explored, so {any_any}"
    elif patch.calls is None:
        may = f"{patch.functions[0]}() may call itself, two deep" if number == 1 else any_any
        yield f"which function calls which is not declared (workload: calls), so {may}"
    else:
        pairs = [
            f"{f}() calls {called}()" for f in patch.functions for called in patch.called_by(f)
        ]
        more = f", and {len(pairs) - _PAIRS} more calls" if len(pairs) > _PAIRS else ""
        said = ", ".join(pairs[:_PAIRS]) + more + ", and nothing else"
        what = said if pairs else "none calls another, or itself"
        yield f"among the replaced functions, {what} (workload: calls)"
    shown = scenario.representatives(patch)[0]
    if len(shown) < number:
        names = " and ".join(f"{name}()" for name in shown)
        stands = "stands" if len(shown) == 1 else "stand"
        yield f"in the runs {names} {stands} for all {number}: functions that call alike are alike"
