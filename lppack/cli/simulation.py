# SPDX-License-Identifier: MIT
"""Output of simulate for an exploration: JSON and text."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lppack.analyse.simulate import Simulation
    from lppack.checker.runs import Run


def simulation_json(made: "Simulation") -> dict[str, Any]:
    return {
        "verdict": made.verdict.value,
        "mode": made.mode.name.value,
        "method": made.mode.method,
        "preempted": made.preempted.value if made.preempted else None,
        "states": made.states,
        "events": made.events,
        "violations": [run_json(run) for run in made.violations],
        "blockers": [
            {"function": blocker.function, "reason": blocker.reason} for blocker in made.blockers
        ],
        "explored": [
            {
                "what": entry.what,
                "threads": entry.threads,
                "states": entry.states,
                "events": entry.events,
                "whole": entry.whole,
            }
            for entry in made.explored
        ],
        "assumptions": list(made.assumptions),
    }


def run_json(run: "Run") -> dict[str, Any]:
    return {
        "shows": run.flag.name,
        "invariant": run.invariant,
        "message": run.says,
        "threads": len(run.first.threads),
        "steps": [
            {
                "who": step.who,
                "rule": step.rule,
                "does": step.does,
                "threads": list(step.after.threads),
                "kernel": step.after.kernel,
            }
            for step in run.steps
        ],
    }


def simulation_lines(made: "Simulation") -> list[str]:
    """Return the assumptions, then the verdict with its reasons, then the runs."""
    mode = made.mode
    lines = [f"assumed: {line}" for line in made.assumptions]
    lines += ["", f"mode {mode.name} ({mode.leave.name} {mode.switch.name}): {verdict(made)}"]
    never = made.whole and not made.reached
    for reached, what, invariant in made.findings:
        word = "REACHED: " if reached else "never:   " if never else "not seen:"
        lines.append(f"  {word} {what} ({invariant})")
    lines.append(f"  ends:     {ending(made)}")
    lines.append(f"  explored: {_explored(made)}")
    lines += [f"  no run with few threads shows that {what}" for what in made.unshown]
    for run in made.violations:
        lines += ["", *run_lines(run)]
    return lines


def verdict(made: "Simulation") -> str:
    """Return the verdict, with the reasons why it says little, if there are any."""
    but = [made.empty] if made.is_safe and made.empty else []
    if not made.covers:
        but.append("weaker than the needs: lppack never applies it")
    return (", but " if made.is_safe else "; ").join(
        [made.verdict, "; ".join(but)] if but else [made.verdict]
    )


def ending(made: "Simulation") -> str:
    """Return whether the transition ends, and what may keep it from ending."""
    if not made.blockers:
        return "always, if every thread is scheduled and every visit ends"
    reasons = "; ".join(blocker.reason for blocker in made.blockers)
    return f"{'never' if made.never_ends else 'perhaps not'}: {reasons}"


def _explored(made: "Simulation") -> str:
    every = [entry for entry in made.explored if entry.what != "progress"]
    numbers = sorted({entry.threads for entry in every if entry.threads is not None})
    *most, last = map(str, numbers)
    threads = f"{', '.join(most)} and {last} threads" if most else f"{last} thread"
    text = f"{made.states} states, {made.events} steps, with {threads}"
    abstract = [entry for entry in every if entry.threads is None]
    if abstract and all(entry.whole for entry in abstract):
        return f"{text}, and, by abstraction, with any number of threads"
    end = "stopped at a violation" if made.reached else "the rest is too large to explore"
    return f"{text}; {end}"


def run_lines(run: "Run") -> list[str]:
    """Return a run as a table: the acting thread, the step, and where each thread is afterwards."""
    names = [f"T{number}" for number in range(1, len(run.first.threads) + 1)]
    rows = [
        ("step", "who", "does", *names, "kernel"),
        ("0", "", "", *run.first.threads, run.first.kernel),
    ]
    rows += [
        (
            str(number),
            step.who,
            f"{step.does} ({step.rule})",
            *step.after.threads,
            step.after.kernel,
        )
        for number, step in enumerate(run.steps, start=1)
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [f"{run.says} ({run.invariant}), after {len(run.steps)} steps:"]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  " + "  ".join(cells).rstrip())
    return lines
