# SPDX-License-Identifier: MIT
"""Notes about facts that a prediction does not know."""

from collections.abc import Iterator, Sequence

from lppack.abi import SYSCALL
from lppack.consistency import Leave, Mode, Switch
from lppack.forecast.declared import SOMEBODY
from lppack.forecast.group import Group
from lppack.forecast.watch import Watch

#: Facts that no stacks or histograms contain.
ALWAYS_UNKNOWN = (
    "threads are assumed to come and go independently: locks and barriers that they share are not "
    "seen",
    "the load is assumed to stay as it was observed, during the transition too; threads that start "
    "meanwhile, and the signals that an engine sends, are not counted",
    "functions are known by name alone: two of one name, and copies inlined into others, are not "
    "distinguished",
)


def unknown(
    watch: Watch,
    found: Sequence[Group],
    functions: Sequence[str],
    mode: Mode,
    slow: Sequence[Group],
    *,
    blind: bool,
    bound: Sequence[Group],
    enough: float,
) -> Iterator[str]:
    """Yield a line for each thing that the prediction cannot know.

    ``slow``: groups whose length of stay is unknown. ``blind``: kernel time cannot be seen.
    ``bound``: groups with declared visits only to another area. ``enough``: seconds that show
    whether a thread ever leaves.
    """
    if blind:
        yield (
            "no stack shows where the kernel begins: sample with kernel frames down to the entry, "
            "or LEAVE_KERNEL cannot be predicted"
        )
    if bound:
        yield _of_another_area(bound, mode)
    if watch.stacks is None and mode.leave is Leave.LEAVE_PATCHED_SET:
        declared = {visits.function for visits, _ in watch.histograms}
        known = {part.function for group in found for part in group.parts} | declared
        silent = [name for name in functions if name not in known]
        if silent and declared & set(functions):
            yield f"{', '.join(silent)}: no visits are declared, so it is taken as never entered"
    if watch.stacks is None:
        for group in found:
            if len(group.parts) > 1:
                names = ", ".join(part.function for part in group.parts)
                yield f"whether visits of {group.comm} to {names} nest: taken one after the other"
    for group in slow:
        names = ", ".join(part.function for part in group.parts if part.inside > 0)
        yield (
            f"how long {group.comm} stays in {names}: stacks have no time scale; give what "
            f"`funclatency {names.split(', ')[0]}` prints"
        )
    for group in found:
        if group.comm == SOMEBODY:
            does = "never leaves it" if group.watched else "may sleep there for as long as it likes"
            yield f"{group.parts[0].function}: not watched, and it is known that a thread {does}"
        elif group.stuck:
            for_ = f"{group.watched:g} s" if group.watched else "the time"
            yield (
                f"whether {group.comm} ever leaves {group.parts[0].function}: it was inside for "
                f"all of {for_} that was watched"
                + ("" if (group.watched or 0) >= enough else f"; watch for {enough:g} s at least")
            )
    if watch.stacks is not None:
        yield from _of_the_stacks(watch, functions)
    few = sorted(
        {
            part.function
            for group in found
            for part in group.parts
            if part.inside > 0 and part.visits is not None and 0 < part.visits < 100
        }
    )
    if few:
        yield f"{', '.join(few)}: fewer than 100 visits were seen; watch for longer"
    if mode.switch is Switch.SWITCH_KERNEL and mode.leave is Leave.LEAVE_PATCHED_SET:
        yield (
            "a visit to the kernel is assumed to enter replaced functions once: a thread that was "
            "not there yet when the gate shut is assumed not to come"
        )
    if mode.leave is not Leave.LEAVE_FUNCTION:
        yield from ALWAYS_UNKNOWN


def _of_another_area(bound: Sequence[Group], mode: Mode) -> str:
    comms = ", ".join(sorted({group.comm for group in bound}))
    if mode.leave is Leave.LEAVE_KERNEL:
        names = ", ".join(sorted({part.function for group in bound for part in group.parts}))
        return (
            f"how long {comms} stays in the kernel: visits to {names} are declared, whole visits "
            f"take longer; declare those to {SYSCALL}"
        )
    return (
        f"for how much of a visit to the kernel {comms} is in a replaced function: only visits to "
        f"{SYSCALL} are declared"
    )


def _of_the_stacks(watch: Watch, functions: Sequence[str]) -> Iterator[str]:
    assert watch.stacks is not None
    samples = sum(seen.total for seen in watch.stacks.threads)
    unseen = [f for f in functions if f not in watch.stacks.named]
    if unseen:
        yield (
            f"{', '.join(unseen)}: in none of the stacks ({samples}); a thread is inside for less "
            f"than {min(3 / samples, 1):.1g} of the time"
        )
    outermost = {f for seen in watch.stacks.threads for f in seen.inside}
    below = [f for f in functions if f in watch.stacks.named and f not in outermost]
    if below:
        yield (
            f"{', '.join(below)}: only seen below other replaced functions; it is their visits "
            "that count, the outermost ones"
        )
    totals = sorted(seen.total for seen in watch.stacks.threads if not seen.kthread)
    if watch.stacks.ids and len(totals) > 1 and totals[-1] > 10 * max(totals[0], 1):
        yield (
            f"threads were counted {totals[0]} to {totals[-1]} times: some came or went, or this "
            "is a profile of CPUs, which never sees a thread that sleeps"
        )
