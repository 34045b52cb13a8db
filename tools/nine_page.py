# SPDX-License-Identifier: MIT
"""Generate docs/nine.md from the rules of the simulator, or compare the two."""

import argparse
import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

from lppack.checker.matrix import ROWS, Row, machine, observed
from lppack.checker.observe import MATRIX, WORDS, Seen
from lppack.checker.runs import shortest
from lppack.checker.semantics import Rules
from lppack.cli.simulation import run_lines
from lppack.consistency import MODES, Leave, Needs, Switch, Transform, weakest
from lppack.store import write_atomic

PAGE = Path(__file__).parent.parent / "docs/nine.md"

_HEAD = """\
<!-- SPDX-License-Identifier: MIT -->
<!-- Made by tools/nine_page.py from the rules of the simulator; do not edit. -->
# The nine combinations

In a mail of 7 November 2014, Vojtech Pavlik split the consistency of a live patch into two
questions, with three answers each. The nine pairs of answers include all models that had been
proposed until then, and some that nobody had proposed.

* **What must a thread have left before it may switch?** LEAVE_FUNCTION: nothing, because no stack
  is checked. LEAVE_PATCHED_SET: every function that the patch replaces. LEAVE_KERNEL: the kernel.
* **What switches at once?** SWITCH_FUNCTION: each function separately. SWITCH_THREAD: each thread.
  SWITCH_KERNEL: the whole kernel.

A patch declares the weakest pair under which it is safe (`needs`), and lppack takes the weakest
mode that gives at least that. The table shows what can happen under each pair. It is computed: from
two functions that call each other, two threads, and every interleaving of their steps with those of
the engine. `lppack simulate PATCH` does the same for the functions, calls and data of a patch.

`yes`: it happens in at least one interleaving. `-`: it happens in none. P is the set of patched
functions, and fn is one function. A frame is a call that has not returned. A visit lasts from the
first entry to the last exit. "Done" is the end of the transition.
"""

_WHAT: dict[tuple[Leave, Switch], str] = {
    (Leave.LEAVE_FUNCTION, Switch.SWITCH_FUNCTION): (
        "This is the livepatch of 2014, the null model: the next call of each function is new. It "
        "is enough for a fix of one function that changes no data and does not change what its "
        "callers expect."
    ),
    (Leave.LEAVE_FUNCTION, Switch.SWITCH_THREAD): (
        "A thread switches at once, wherever it is; the functions on its stack stay old. No "
        "engine has this pair."
    ),
    (Leave.LEAVE_FUNCTION, Switch.SWITCH_KERNEL): (
        "This is kpatch without the check of the stacks. The mail says that it is no more than "
        "the null model, because old functions are still running."
    ),
    (Leave.LEAVE_PATCHED_SET, Switch.SWITCH_FUNCTION): (
        "Each function switches when no thread is in any patched function. No engine has this "
        "pair: an engine that waits for that moment can switch all functions at once."
    ),
    (Leave.LEAVE_PATCHED_SET, Switch.SWITCH_THREAD): (
        "This is the kernel's livepatch since Linux 4.12, the hybrid: each thread switches when "
        "its stack holds no replaced function."
    ),
    (Leave.LEAVE_PATCHED_SET, Switch.SWITCH_KERNEL): (
        "These are kpatch, Ksplice and engines that count visits: the whole kernel switches "
        "when no stack holds a replaced function."
    ),
    (Leave.LEAVE_KERNEL, Switch.SWITCH_FUNCTION): (
        "Each function switches when no thread is in the kernel. No engine has this pair."
    ),
    (Leave.LEAVE_KERNEL, Switch.SWITCH_THREAD): (
        "This is kGraft: each thread switches at the border to user space."
    ),
    (Leave.LEAVE_KERNEL, Switch.SWITCH_KERNEL): (
        "CRIU with kexec, and lppack's mode `checkpoint`: all threads are held at the border, "
        "then everything switches."
    ),
}

#: Results for which a shortest run is shown, the worst first.
_WORST = (Seen.MIX_IN_P, Seen.MIX_IN_KERNEL, Seen.BOTH_AT_ONCE)


def page() -> str:
    """Return the text of docs/nine.md."""
    rules = Rules()
    found = {row: observed(row, rules).seen for row in ROWS}
    lines = [_HEAD, "| pair | " + " | ".join(_words(flag) for flag, _ in MATRIX) + " |"]
    lines.append("|---" * (len(MATRIX) + 1) + "|")
    for row in ROWS:
        cells = ["yes" if found[row] & flag else "-" for flag, _ in MATRIX]
        lines.append(f"| {_pair(row)} | {' | '.join(cells)} |")
    lines += [
        "",
        "*strict*: each function has its own switch, which waits until no thread is in it.",
    ]
    lines += ["", *(line for row in ROWS if not row.strict for line in _section(row, rules))]
    return "\n".join(lines).rstrip() + "\n"


def _words(flag: Seen) -> str:
    return dict(MATRIX)[flag]


def _pair(row: Row) -> str:
    return f"{row.leave.name} {row.switch.name}{' *strict*' if row.strict else ''}"


def _section(row: Row, rules: Rules) -> Iterator[str]:
    yield f"## {_pair(row)}"
    yield ""
    yield _WHAT[row.leave, row.switch]
    yield ""
    needs = Needs(leave=row.leave, switch=row.switch, transform=Transform.NONE)
    mode = weakest(needs)
    given = f"{mode.leave.name} {mode.switch.name}"
    exact = (mode.leave, mode.switch) == (row.leave, row.switch)
    yield (
        f"A patch with these needs is applied in mode `{mode.name}`"
        f"{'' if exact else f', which gives more: {given}'}."
    )
    by_name = [
        f"`{one.name}`"
        for one in MODES
        if (one.leave, one.switch) == (row.leave, row.switch) and one is not mode
    ]
    if by_name:
        yield f"{' and '.join(by_name)} gives exactly this pair as well: select it by `mode:`."
    yield ""
    made = machine(row, rules)
    run = next((run for flag in _WORST if (run := shortest(made, flag, most=2))), None)
    if run is None:
        yield f"None of these is reached: {'; '.join(WORDS[flag][1] for flag in _WORST)}."
        yield ""
        return
    yield "The shortest run to the worst result that is possible under this pair:"
    yield ""
    yield from ("```text", *run_lines(run), "```", "")


def differences(path: Path = PAGE) -> list[str]:
    """Return a diff, as lines, from the text in ``path`` to the generated text."""
    kept = path.read_text() if path.is_file() else ""
    lines = difflib.unified_diff(
        kept.splitlines(), page().splitlines(), str(path), "simulator", lineterm=""
    )
    return list(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="exit code 1 if they differ")
    what.add_argument("--update", action="store_true", help="write docs/nine.md anew")
    wanted = parser.parse_args()
    lines = differences()
    if wanted.update:
        write_atomic(PAGE, page().encode())
    print("\n".join(lines) or "docs/nine.md is what the simulator says")
    return 1 if lines and wanted.check else 0


if __name__ == "__main__":
    sys.exit(main())
