# SPDX-License-Identifier: MIT
"""Generate docs/rules.md from what `lppack explain` shows of each rule, or compare the two."""

import argparse
import difflib
import sys
from pathlib import Path

from lppack.rules.registry import Asked, every, live
from lppack.store import write_atomic
from tools import rule_examples

PAGE = Path(__file__).parent.parent / "docs/rules.md"

_HEAD = """\
<!-- SPDX-License-Identifier: MIT -->
<!-- Made by tools/rules_page.py of the rules in lppack/rules; do not edit. -->
# Rules

lppack checks patches against {count} rules. This page shows each rule as `lppack explain ID` does.
The rules implement {live} of the 56 that were gathered from the kernel's documentation and code,
and from problems of users of other tools; some only in part ([details](decisions.md#rules)). An
error also stops `plan`, `generate`, `build` and `test`, or `apply`. A warning is only printed.

Some messages have an id without a page here, because their text is complete. They come from the
schema (`unknown-key`, `missing-key`, `type`, `choice`, `pattern`, `empty`, `twice`, `too-long`,
`range`), from reading the file (`file`, `yaml`, `duplicate-key`), and from `plan`
(`fixes-fit-a-page`).

Below each rule is an example that breaks it and an example that passes. An example is the keys that
differ from [one manifest](#the-manifest-that-the-examples-change), or C, or the title of a test's
case. The text after `>` is the message.
"""

_SAMPLE = """\
## The manifest that the examples change

Examples are cases of the tests (tests/unit/rules), so each is known to break its rule, or to pass.
"""


def page() -> str:
    """Return the text of docs/rules.md."""
    parts = [_HEAD.format(count=len(every()), live=len(live()))]
    for asked in Asked:
        entries = [entry for entry in every() if entry.asked is asked]
        rows = [f"| [`{entry.id}`](#{entry.id}) | {entry.level} |" for entry in entries]
        parts += [f"Checked {asked}:\n", "| rule | level |\n|---|---|", *rows, ""]
    parts += [
        f"## {e.id}\n\n*{e.level}*\n\n{e.page}\n\n{rule_examples.examples(e)}" for e in every()
    ]
    parts += [_SAMPLE, rule_examples.base()]
    return "\n".join(parts)


def differences(path: Path = PAGE) -> list[str]:
    """Return a diff, as lines, from the text in ``path`` to the generated text."""
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
