# SPDX-License-Identifier: MIT
"""Makes docs/claims.md of the claims that the tests hold, or compares the two."""

import argparse
import difflib
import inspect
import sys
from pathlib import Path

from lppack.store import write_atomic
from tests.unit.simulator.claims import CLAIMS
from tests.unit.simulator.mutations import FAULTS, SWITCHES

PAGE = Path(__file__).parent.parent / "docs/claims.md"

_HEAD = """\
<!-- SPDX-License-Identifier: MIT -->
<!-- Made by tools/claims_page.py of tests/unit/simulator/claims.py; do not edit. -->
# Claims, and their evidence

Each claim of [semantics.md](semantics.md) 1.7 is a function of the rules: it explores the machine
of lppack/simulator with all interleavings, and says whether the claim holds. *Never* is shown for
one, two and three threads, and for any number by the presence abstraction. A claim that would hold
whatever the rules are would show nothing: each names faults, put in the place of a rule, under
which it does not hold (C30 is arithmetic on figures that are guesses, and C32 a policy).
tests/unit/simulator/test_claims.py runs all of it.

| claim | what is held | fails under |
|---|---|---|
"""


def page() -> str:
    """All of docs/claims.md."""
    claims = "".join(
        f"| {claim.number} | {claim.says} | {', '.join(claim.mutations) or '-'} |\n"
        for claim in CLAIMS.values()
    )
    faults = "".join(f"| {name} | {_fault(name)} |\n" for name in sorted(FAULTS))
    return f"{_HEAD}{claims}\n## The faults\n\n| fault | what it is |\n|---|---|\n{faults}"


def _fault(name: str) -> str:
    pages = [inspect.getdoc(made) or "" for made in FAULTS[name].values() if callable(made)]
    return " ".join(" ".join([*pages, SWITCHES.get(name, "")]).split())


def differences(path: Path = PAGE) -> list[str]:
    """The lines of a diff from what is kept in ``path`` to what the tests say."""
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
