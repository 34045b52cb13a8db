# SPDX-License-Identifier: MIT
"""Makes docs/rules.md of what `lppack explain` shows of each rule, or compares the two."""

import argparse
import difflib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from lppack.cli import help
from lppack.store import write_atomic

PAGE = Path(__file__).parent.parent / "docs/rules.md"

_TITLE = re.compile(r"(?P<id>[a-z0-9-]+) \((?P<level>error|warning)\)")
_HEAD = """\
<!-- SPDX-License-Identifier: MIT -->
<!-- Made by tools/rules_page.py of the rules in lppack/rules; do not edit. -->
# Rules

What a manifest is held against, each rule as `lppack explain ID` shows it. An error also stops
`plan`, `generate`, `build` and `test`; a warning is only told by `validate`. Rules from
`function-exists` on need a kernel: `validate` asks them with `--kernel`, the others always do.

Some messages have an id that has no page here: those of the schema (`unknown-key`, `missing-key`,
`type`, `choice`, `pattern`, `empty`, `twice`, `too-long`, `range`), of reading the file (`file`,
`yaml`, `duplicate-key`), and of `plan` (`kernel-is-named`, `engine-provides-the-mode`,
`fixes-fit-a-page`). They say all there is.

Numbers are those of a longer list, whose other rules are
[not made yet](decisions.md#rules-that-are-not-made-yet).
"""


def rules() -> Iterator[tuple[str, str, str]]:
    """(id, level, text) of each rule, in the order in which they are tried."""
    for name, page in help._pages().items():
        title, _, text = page.partition("\n\n")
        found = _TITLE.fullmatch(title)
        if found and found["id"] == name:
            yield name, found["level"], text


def page() -> str:
    """All of docs/rules.md."""
    found = list(rules())
    rows = [f"| [`{name}`](#{name}) | {level} |" for name, level, _ in found]
    parts = [f"## {name}\n\n*{level}*\n\n{text}\n" for name, level, text in found]
    return "\n".join([_HEAD, "| rule | level |\n|---|---|", *rows, "", *parts])


def differences(path: Path = PAGE) -> list[str]:
    """The lines of a diff from what is kept in ``path`` to what the rules say."""
    kept = path.read_text() if path.is_file() else ""
    lines = difflib.unified_diff(
        kept.splitlines(), page().splitlines(), str(path), "lppack/rules", lineterm=""
    )
    return list(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="exit code 1 if they differ")
    what.add_argument("--update", action="store_true", help="write docs/rules.md anew")
    wanted = parser.parse_args()
    lines = differences()
    if wanted.update:
        write_atomic(PAGE, page().encode())
    print("\n".join(lines) or "docs/rules.md is what the rules say")
    return 1 if lines and wanted.check else 0


if __name__ == "__main__":
    sys.exit(main())
