# SPDX-License-Identifier: MIT
"""Write the table of made-up changes into docs/drafts.md from tests/docker/cases.py, or compare."""

import argparse
import difflib
import sys
from pathlib import Path

from lppack.store import write_atomic
from tests.docker.cases import CASES, Case

PAGE = Path(__file__).parent.parent / "docs/drafts.md"
_START, _END = "<!-- cases -->\n", "<!-- end of cases -->\n"


def page(text: str) -> str:
    """Return ``text`` with a new table. Raise ValueError if the lines around it are missing."""
    before, start, rest = text.partition(_START)
    _, end, after = rest.partition(_END)
    if not start or not end:
        raise ValueError(f"{PAGE} has no {_START.strip()} or no {_END.strip()}")
    rows = "".join(f"{_row(name, case)}\n" for name, case in CASES.items())
    head = "| diff | what it probes | replaced | proof | left out |\n|---|---|---|---|---|\n"
    return f"{before}{start}\n{head}{rows}\n{end}{after}"


def _row(name: str, case: Case) -> str:
    replaced = "; ".join(
        f"{object_}: {', '.join(f'`{function}`' for function in functions)}"
        for object_, functions in case.replaced.items()
    )
    if not case.replaced:
        replaced = "nothing: it has no effect on code" if case.no_effect else "nothing"
    left = ", ".join(case.left_out)
    return f"| {name} | {case.what} | {replaced} | {case.complete} | {left} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="Print what differs; exit code 1 then.")
    what.add_argument("--update", action="store_true", help="Write the table.")
    asked = parser.parse_args()
    old = PAGE.read_text()
    new = page(old)
    if asked.update:
        write_atomic(PAGE, new.encode())
        return 0
    lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), str(PAGE), "cases")
    sys.stdout.writelines(lines)
    return int(old != new)


if __name__ == "__main__":
    sys.exit(main())
