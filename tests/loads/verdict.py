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
    if keeps_visits and mode.switch is Switch.SWITCH_KERNEL and row.together:
        yield f"{row.together} visits ran beside one of the other universe"
    if row.wrong and not may_meet_new_data(row.patch, mode):
        yield f"old code met data in the new form {row.wrong} times"


def may_meet_new_data(patch: str, mode: Mode) -> bool:
    """True if new code writes the new form while the mode still lets old code run."""
    if patch != "visits":
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
        seconds = sorted(row.seconds)
        middle = f"{seconds[len(seconds) // 2]:.2f}" if seconds else "-"
        longest = f"{seconds[-1]:.2f}" if seconds else "-"
        finished = "broke" if row.broke else f"{row.finished}/{row.flips}"
        in_flight = "-" if row.broke else str(row.in_flight)
        stop = "-" if row.longest_stop is None else f"{row.longest_stop:.2f}"
        lines.append(
            [
                *(row.engine, row.mode, row.load, row.patch),
                *(finished, f"{middle} ({longest})", stop, in_flight),
                *map(str, (row.visits, row.mixed, row.mixed_calls)),
                *map(str, (row.together, row.wrong, row.eintr)),
            ]
        )
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
