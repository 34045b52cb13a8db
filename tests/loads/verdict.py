# SPDX-License-Identifier: MIT
"""What a row of the matrix may show: docs/semantics.md, table 1.3."""

from collections.abc import Iterator, Mapping, Sequence

from lppack.consistency import Leave, Mode, Switch
from tests.loads.driver import LOADS, Row

#: So much of the flips of a cell must finish, if it is not named below.
FINISHED = 0.95

#: (engine, mode, load) that may finish fewer, and why; named before they are measured.
MAY_STALL: Mapping[tuple[str, str, str], str] = {
    ("consistency", "checkpoint", "vfork"): "the child is held, and its parent waits for it inside "
    "the kernel: only a moment without such a pair will do",
}


#: Seconds for which a bystander may be held in a transition, and a share of its time beside: what
#: kmod/engine/budget.c allows, and a little for the steps in which it is measured.
FREE_HOLD, FREE_WAKE, SHARE_HELD = 1.0, 3.2, 0.05

#: The patch that replaces task_work_run, too: one run of it is one visit.
BORDER = "border"


def faults(row: Row, mode: Mode) -> Iterator[str]:
    """What this row shows and its mode forbids."""
    if row.broke:
        yield f"broke off: {row.broke}"
        return
    keeps_visits = mode.leave is not Leave.LEAVE_FUNCTION
    wanted = LOADS[row.load].in_flight
    if row.in_flight < wanted:
        yield f"{row.in_flight} visits in flight at the start, {wanted} wanted"
    may_stall = (row.engine, row.mode, row.load) in MAY_STALL
    if not may_stall and row.finished < FINISHED * row.flips:
        yield f"{row.finished} of {row.flips} flips finished: {sorted(row.blockers)}"
    if keeps_visits and row.mixed:
        yield f"{row.mixed} visits saw both universes"
    if mode.leave is Leave.LEAVE_KERNEL and row.mixed_calls:
        yield f"{row.mixed_calls} system calls saw both universes"
    if keeps_visits and row.mixed_works and row.patch == BORDER:
        yield f"{row.mixed_works} runs of task_work_run saw both universes"
    if keeps_visits and mode.switch is Switch.SWITCH_KERNEL and row.together:
        yield f"{row.together} visits ran beside one of the other universe"
    waking = mode.leave is Leave.LEAVE_KERNEL and mode.switch is Switch.SWITCH_KERNEL
    allowed = (FREE_WAKE if waking else FREE_HOLD) * row.flips + SHARE_HELD * sum(row.seconds)
    if sum(row.held) > allowed:
        yield f"a bystander was held for {sum(row.held):.1f} s, and {allowed:.1f} s are allowed"
    if row.wrong and not may_meet_new_data(row.patch, mode):
        yield f"old code met data in the new form {row.wrong} times"


def may_meet_new_data(patch: str, mode: Mode) -> bool:
    """True if new code writes the new form while the mode still lets old code run."""
    if patch not in ("visits", BORDER):
        return False
    return mode.leave is Leave.LEAVE_FUNCTION or mode.switch is not Switch.SWITCH_KERNEL


def blind(rows: Sequence[Row], modes: Mapping[str, Mode]) -> Iterator[str]:
    """Rows of modes that keep nothing must show it, or the loads see nothing."""
    free = [row for row in rows if modes[row.mode].leave is Leave.LEAVE_FUNCTION]
    if free and not sum(row.mixed for row in free):
        yield "no visit saw both universes in a mode that mixes them"
    naive = [row for row in rows if may_meet_new_data(row.patch, modes[row.mode])]
    if naive and not sum(row.wrong for row in naive):
        yield "old code met no new data in a mode that does not forbid it"


def table(rows: Sequence[Row]) -> str:
    """Lines for a person; also Markdown."""
    head = ["engine", "mode", "load", "patch", "finished", "seconds", "stop_ms", "in_flight"]
    head += ["visits", "mixed", "mixed_calls", "together", "wrong", "eintr"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        finished = "broke" if row.broke else f"{row.finished}/{row.flips}"
        in_flight = "-" if row.broke else str(row.in_flight)
        lines.append(
            [
                *(row.engine, row.mode, row.load, row.patch),
                *(finished, *_times([row]), in_flight),
                *map(str, (row.visits, row.mixed, row.mixed_calls)),
                *map(str, (row.together, row.wrong, row.eintr)),
            ]
        )
    return _lines(lines)


def by_mode(rows: Sequence[Row]) -> str:
    """The same, a line for each engine and mode over its loads and patches."""
    head = ["engine", "mode", "finished", "seconds", "stop_ms"]
    head += ["visits", "mixed", "mixed_calls", "together", "wrong", "eintr"]
    lines = [head, ["---"] * len(head)]
    for engine, mode in dict.fromkeys((row.engine, row.mode) for row in rows):
        of = [row for row in rows if (row.engine, row.mode) == (engine, mode)]
        lines.append(
            [
                *(engine, mode),
                f"{sum(row.finished for row in of)}/{sum(row.flips for row in of)}",
                *_times(of),
                *(str(sum(row.visits for row in of)), str(sum(row.mixed for row in of))),
                *(str(sum(row.mixed_calls for row in of)), str(sum(row.together for row in of))),
                *(str(sum(row.wrong for row in of)), str(sum(row.eintr for row in of))),
            ]
        )
    return _lines(lines)


def _times(rows: Sequence[Row]) -> tuple[str, str]:
    """Of the flips that finished: the median, the longest, and the longest stop."""
    seconds = sorted(each for row in rows for each in row.seconds)
    stops = [row.longest_stop for row in rows if row.longest_stop is not None]
    return (
        f"{seconds[len(seconds) // 2]:.2f} ({seconds[-1]:.2f})" if seconds else "- (-)",
        f"{max(stops):.2f}" if stops else "-",
    )


def _lines(cells: Sequence[Sequence[str]]) -> str:
    return "".join("| " + " | ".join(line) + " |\n" for line in cells)
