# SPDX-License-Identifier: MIT
"""Generate docs/claims.md from the claims in the tests, or compare the two."""

import argparse
import ast
import difflib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from lppack.checker.runs import Run
from lppack.store import write_atomic
from tests.unit.checker.engine_claims import ALL as CLAIMS
from tests.unit.checker.engine_claims import RUNS, run_of, run_of_upstream
from tests.unit.checker.mutations import FAULTS, SWITCHES

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/claims.md"

_HEAD = """\
<!-- SPDX-License-Identifier: MIT -->
<!-- Made by tools/claims_page.py of tests/unit/checker/{claims,engine_claims}.py; do not edit. -->
# Claims, and their evidence

Each claim of [semantics.md](semantics.md) 1.7 and 1.9 is a function of the rules. It explores all
interleavings of the machine in lppack/checker, and returns whether the claim holds. *Never* is
checked for one, two and three threads, and for any number by the presence abstraction.

A claim that holds under any rules would show nothing. So each claim names faults: replacements of a
rule under which it must fail. C30 and C32 have none: C30 is arithmetic on guesses, and C32 is a
policy. C33 to C38 are about how engines work. Their machines have the steps in which engines had
faults, and are explored for one and two threads only.

tests/unit/checker/test_claims.py runs all of this. Real engines also show the claims, as far as a
kernel can show them: see below. semantics.md explains the short forms.

| claim | what is claimed | fails under |
|---|---|---|
"""


_KERNEL = """
## In a kernel

These tests boot a guest and show part of a claim on a real engine: the kernel's own or lppack's.
One run of a kernel shows only that something can happen, or that it did not happen in this run.
Only the exploration shows *never*. In the stories of tests/guest/test_conformance.py, the simulator
and the kernel must agree after each step.

| claim | test |
|---|---|
"""

_FAULTS = """
## The faults

| fault | what it is |
|---|---|
"""

_RUNS = """
## Runs

For each fault that lppack's own engine once had, this section has a shortest run with the fault put
back. Two runs of the kernel's own engine follow, which is unchanged, on a kernel that preempts
kernel code ([report](reports/livepatch-mixes-universes.md)).
"""

#: Claim -> why no test in a guest shows it.
NOT_SHOWN = {
    "C8": "rule `needs-agree` and `plan` decide it before anything is loaded",
    "C10": "this is so for SWITCH_THREAD; the loads that show C2 show the part on SWITCH_KERNEL",
    "C13": "no engine has this combination: it is refused before anything is loaded",
    "C14": "an engine cannot see the pointers that an author's code keeps: R13 is for authors",
    "C15": "as C14",
    "C16": "each patch must have a marker, so none is without a tag",
    "C19": "the spinning is too short for a test to stop in it",
    "C30": "arithmetic on guesses",
    "C31": "the mean depends on the load",
    "C32": "a policy",
    "C38": "it takes minutes and luck: findings/livepatch-mixes-universes-on-revert.sh",
}


def shown() -> Iterator[tuple[str, str]]:
    """Yield (claim, test) for each test in a guest that is marked as showing the claim."""
    for file in sorted((ROOT / "tests/guest").glob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.shows":
                    for claim in mark.args:
                        yield ast.literal_eval(claim), f"{file.name}: {node.name}"


def _in_a_kernel() -> Iterator[str]:
    tests: dict[str, list[str]] = {number: [] for number in CLAIMS}
    for claim, test in shown():
        tests[claim].append(f"`{test}`")
    for number, names in tests.items():
        yield f"| {number} | {'; '.join(names) or 'not shown: ' + NOT_SHOWN[number]} |\n"


def page() -> str:
    """Return the text of docs/claims.md."""
    claims = "".join(
        f"| {claim.number} | {claim.says} | {', '.join(claim.mutations) or '-'} |\n"
        for claim in CLAIMS.values()
    )
    faults = "".join(f"| {name} | {_fault(name)} |\n" for name in sorted(FAULTS))
    kernel = "".join(_in_a_kernel())
    runs = "".join(_run(title, run) for title, run in _runs() if run)
    return f"{_HEAD}{claims}{_KERNEL}{kernel}{_FAULTS}{faults}{_RUNS}{runs}"


def _runs() -> Iterator[tuple[str, Run | None]]:
    for fault in RUNS:
        yield fault, run_of(fault)
    yield "The kernel's own engine: a revert", run_of_upstream(above=False)
    yield "The kernel's own engine: a live patch above another", run_of_upstream(above=True)


def _run(title: str, run: Run) -> str:
    rows = "".join(
        f"| {step.who} | {step.does} | {'; '.join(step.after.threads)} | {step.after.kernel} |\n"
        for step in run.steps
    )
    head = f"\n### {title}\n\n{run.says[0].upper()}{run.says[1:]} ({run.invariant}).\n\n"
    return f"{head}| who | does | threads then | transition |\n|---|---|---|---|\n{rows}"


def _fault(name: str) -> str:
    pages = [inspect.getdoc(made) or "" for made in FAULTS[name].values() if callable(made)]
    return " ".join(" ".join([*pages, SWITCHES.get(name, "")]).split())


def differences(path: Path = PAGE) -> list[str]:
    """Return a diff, as lines, from the text in ``path`` to the generated text."""
    kept = path.read_text() if path.is_file() else ""
    lines = difflib.unified_diff(
        kept.splitlines(), page().splitlines(), str(path), "the claims", lineterm=""
    )
    return list(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="exit code 1 if they differ")
    what.add_argument("--update", action="store_true", help="write docs/claims.md anew")
    wanted = parser.parse_args()
    lines = differences()
    if wanted.update:
        write_atomic(PAGE, page().encode())
    print("\n".join(lines) or "docs/claims.md is what the tests say")
    return 1 if lines and wanted.check else 0


if __name__ == "__main__":
    sys.exit(main())
