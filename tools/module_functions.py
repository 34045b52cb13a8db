# SPDX-License-Identifier: MIT
"""Draft and build a patch that changes nothing, for ten functions of each of ten modules.

Print a table of how many pass, and why the others do not.
"""

import difflib
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from lppack import pipeline
from lppack.debian.kernels import resolve
from lppack.debian.linux_source import package_of, source_file
from lppack.debian.supported import releases_of
from lppack.errors import LppackError

LIST = Path(__file__).parent.parent / "tests/soak/module_functions.txt"


def listed(text: str) -> tuple[tuple[str, str, str], ...]:
    """Return (module, file, function) of each line."""
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return tuple((module, path, function) for module, path, function in lines)


def touched(text: str, path: str, function: str) -> str:
    """Return a diff that adds an empty statement to the end of a function: it changes nothing."""
    head = re.search(rf"^[a-z][\w \t\*]*?\b{function}\([^;{{]*?\)\n\{{\n", text, re.M)
    assert head, f"{function} is not in {path}"
    end = text.index("\n}\n", head.end()) + 1
    changed = f"{text[:end]}\t;\n{text[end:]}"
    lines = difflib.unified_diff(
        text.splitlines(keepends=True), changed.splitlines(keepends=True), f"a/{path}", f"b/{path}"
    )
    return "".join(lines)


def outcome(text: str, path: str, function: str, release: str) -> str:
    """Return "passes", or why not, in one line."""
    with tempfile.TemporaryDirectory() as folder:
        diff = Path(folder) / "x.diff"
        diff.write_text(touched(text, path, function))
        try:
            made = pipeline.make_draft(
                diff,
                kernel=release,
                folder=Path(folder) / "one",
                builder="docker",
                say=lambda _line: None,
                on_line=lambda _line: None,
            )
        except LppackError as error:
            return f"draft: {error.message.splitlines()[0]}"
        return "passes" if made.built else (made.why or "").splitlines()[0]


def main(chosen: Sequence[str]) -> int:
    kernel = resolve(None, (releases_of(),))
    package = package_of(kernel)
    counts: dict[str, Counter[bool]] = defaultdict(Counter)
    reasons: list[str] = []
    for module, path, function in listed(LIST.read_text()):
        if chosen and module not in chosen:
            continue
        source = source_file(package, path)
        assert source is not None, f"{package} has no {path}"
        said = outcome(source.decode("latin-1"), path, function, kernel.release)
        counts[module][said == "passes"] += 1
        if said != "passes":
            reasons.append(f"{module} {function}: {said}")
        sys.stderr.write(f"{module} {function}: {said}\n")
    sys.stdout.writelines(_table(counts))
    sys.stdout.writelines(f"{line}\n" for line in reasons)
    return 0


def _table(counts: dict[str, Counter[bool]]) -> Iterator[str]:
    yield "| module | pass | do not |\n|---|---|---|\n"
    for module, count in counts.items():
        yield f"| {module} | {count[True]} | {count[False]} |\n"
    yield f"| all | {sum(c[True] for c in counts.values())} | "
    yield f"{sum(c[False] for c in counts.values())} |\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
