# SPDX-License-Identifier: MIT
"""Write the table of supported kernels into docs/kernels.md, or compare the two."""

import argparse
import difflib
import sys
from pathlib import Path

from lppack.debian.supported import SUPPORTED
from lppack.store import write_atomic

PAGE = Path(__file__).parents[1] / "docs/kernels.md"
BEGIN = "<!-- Made by tools/kernels_page.py of lppack/debian/supported.py; do not edit. -->\n"
END = "<!-- Until here. -->\n"

_ROWS = {
    "facts: symbols, traceable functions, exports, prototypes": "facts",
    "build, apply, revert by the kernel's own engine": "kernel_engine",
    "lppack's own engine": "own_engine",
    "`draft` and its proof": "draft",
}


def table() -> str:
    """Return the table: a column for each series."""
    rows = [["", *(f"{one.series} ({one.where})" for one in SUPPORTED)]]
    rows.append(["---"] * (1 + len(SUPPORTED)))
    rows += [[what, *(getattr(one, name) for one in SUPPORTED)] for what, name in _ROWS.items()]
    return "".join(
        "|" + "|".join(f" {cell} " if cell else " " for cell in row) + "|\n" for row in rows
    )


def page(path: Path = PAGE) -> str:
    """Return the page with the current table. Raise ValueError if it has no place for one."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path} lacks the lines around the table: {BEGIN.strip()}, {END.strip()}")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def differences(path: Path = PAGE) -> list[str]:
    """Return a diff, as lines, from the text in ``path`` to the generated text."""
    kept, wanted = path.read_text().splitlines(), page(path).splitlines()
    return list(difflib.unified_diff(kept, wanted, str(path), "supported.py", lineterm=""))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="exit code 1 if they differ")
    what.add_argument("--update", action="store_true", help="write the table anew")
    wanted = parser.parse_args()
    lines = differences()
    if wanted.update:
        write_atomic(PAGE, page().encode())
    print("\n".join(lines) or "docs/kernels.md has the table of supported.py")
    return 1 if lines and wanted.check else 0


if __name__ == "__main__":
    sys.exit(main())
