# SPDX-License-Identifier: MIT
"""Which of this machine's package sources belong to one Debian release."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from lppack.debian.supported import BESIDE

_SUITES_FIELD = re.compile(r"^Suites:[^\n]*(?:\n[ \t][^\n]*)*", re.MULTILINE | re.IGNORECASE)
_ONE_LINE = re.compile(r"^deb\s+(?:\[[^\]]*\]\s+)?\S+\s+(?P<suite>\S+)\s")
_OFF = re.compile(r"^Enabled:\s*(no|false|off|0)\s*$", re.MULTILINE | re.IGNORECASE)
_BINARY = re.compile(r"^Types:.*\bdeb(\s|$)", re.MULTILINE | re.IGNORECASE)


def codename(release_file: Path = Path("/etc/os-release")) -> str:
    """Return the Debian release of this machine: "bookworm"; "" where it does not say."""
    try:
        text = release_file.read_text()
    except OSError:
        return ""
    match = re.search(r'^VERSION_CODENAME="?([a-z]+)"?', text, re.MULTILINE)
    return match[1] if match else ""


def belongs(suite: str, release: str) -> bool:
    """Whether the suite "bookworm-security" is part of the release "bookworm"."""
    return suite == release or suite.startswith((f"{release}-", f"{release}/"))


def read(etc: Path, release: str | None) -> dict[str, str]:
    """File name -> text of the sources under ``etc``, only those of ``release`` (None: all)."""
    files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    found: dict[str, str] = {}
    for file in files:
        if file.suffix not in (".list", ".sources") or not file.is_file():
            continue
        text = file.read_text(errors="replace")
        kept = _paragraphs(text, release) if file.suffix == ".sources" else _lines(text, release)
        if kept:
            found[file.name] = kept
    return found


def renamed(texts: dict[str, str], release: str, wanted: str) -> dict[str, str]:
    """Return the sources of ``release``, as they read for the suite ``wanted``.

    Debian keeps its suites side by side: the same hosts, keys and options serve them all. What
    stands beside a release has neither updates nor security of its own.
    """
    alone = wanted in BESIDE

    def rename(suite: str) -> str:
        if not belongs(suite, release):
            return suite
        return "" if alone and suite != release else wanted + suite.removeprefix(release)

    found: dict[str, str] = {}
    for name, text in texts.items():
        if name.endswith(".sources"):
            kept = _renamed_paragraphs(text, rename)
        else:
            kept = "".join(f"{line}\n" for line in _renamed_lines(text, rename))
        if kept:
            found[name] = kept
    return found


def _renamed_paragraphs(text: str, rename: Callable[[str], str]) -> str:
    kept = []
    for paragraph in text.strip("\n").split("\n\n"):
        field = _SUITES_FIELD.search(paragraph)
        words = [rename(word) for word in field[0].partition(":")[2].split()] if field else []
        if any(words):
            line = f"Suites: {' '.join(filter(None, words))}"
            kept.append(_SUITES_FIELD.sub(line, paragraph))
    return "\n\n".join(kept) + "\n" if kept else ""


def _renamed_lines(text: str, rename: Callable[[str], str]) -> Iterator[str]:
    for line in text.splitlines():
        match = _ONE_LINE.match(f"{line} ")
        if match is None:
            yield line
        elif suite := rename(match["suite"]):
            start, end = match.span("suite")
            yield line[:start] + suite + line[end:]


def suites(texts: dict[str, str]) -> tuple[str, ...]:
    """Return the suites that ``texts`` name, for messages."""
    named: set[str] = set()
    for name, text in texts.items():
        if name.endswith(".sources"):
            for match in _SUITES_FIELD.finditer(text):
                named.update(match[0].partition(":")[2].split())
        else:
            named.update(m["suite"] for line in text.splitlines() if (m := _ONE_LINE.match(line)))
    return tuple(sorted(named))


def _lines(text: str, release: str | None) -> str:
    kept = [
        line
        for line in text.splitlines()
        if (match := _ONE_LINE.match(f"{line} "))
        and (release is None or belongs(match["suite"], release))
    ]
    return "".join(f"{line}\n" for line in kept)


def _paragraphs(text: str, release: str | None) -> str:
    kept = []
    # Comments may stand anywhere, also between a field and its continuation lines.
    plain = "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("#"))
    for paragraph in re.split(r"\n(?:[ \t]*\n)+", plain.strip("\n")):
        field = _SUITES_FIELD.search(paragraph)
        if not field or _OFF.search(paragraph) or not _BINARY.search(paragraph):
            continue
        words = field[0].partition(":")[2].split()
        mine = [word for word in words if release is None or belongs(word, release)]
        if mine:
            kept.append(_SUITES_FIELD.sub(f"Suites: {' '.join(mine)}", paragraph))
    return "\n\n".join(kept) + "\n" if kept else ""
