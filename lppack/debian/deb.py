# SPDX-License-Identifier: MIT
"""Debian's package files: their contents, their control fields, the order of their versions."""

import re
from pathlib import Path

from lppack import proc
from lppack.errors import EnvironmentMissing


def unpack(package: Path, into: Path) -> None:
    """Unpack ``package`` into ``into``; no script of the package runs."""
    done = proc.run(["dpkg-deb", "-x", str(package), str(into)], limit=300)
    if not done.ok:
        raise EnvironmentMissing(
            f"{package}: cannot be unpacked\n{done.summary(tail=3)}",
            hint="the file may be damaged, or the disk full",
        )


def field(package: Path, name: str) -> str | None:
    """Return a control field of the package file ``package``; None if it has no such field."""
    done = proc.run(["dpkg-deb", "-f", str(package), name], limit=60)
    if not done.ok:
        raise EnvironmentMissing(f"{package}: not a Debian package\n{done.summary(tail=3)}")
    return done.out.strip() or None


def parse_control(text: str) -> dict[str, str]:
    """Return the fields of the first paragraph of ``text``."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.strip("\n").splitlines():
        if not line.strip():
            break
        if line[0] in " \t":
            if name:
                fields[name] += f"\n{line.strip()}"
        elif ":" in line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    return fields


VersionKey = tuple[tuple[tuple[int, ...], int], ...]


def version_key(version: str) -> tuple[int, VersionKey, VersionKey]:
    """Return a key that sorts as ``dpkg --compare-versions``; also right for kernel releases."""
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdigit():
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, "0"
    return int(epoch), _part_key(upstream), _part_key(revision)


def _part_key(part: str) -> VersionKey:
    # deb-version(7): text and numbers in turn; "~" before the end, letters before the rest.
    # The end is 0; each text ends with it, so that "" sorts after "~" and before "a".
    pairs = re.findall(r"(\D*)(\d*)", part)
    return tuple((_text_key(text), int(number or 0)) for text, number in pairs) or (((0,), 0),)


def _text_key(text: str) -> tuple[int, ...]:
    def order(char: str) -> int:
        if char == "~":
            return -1
        return ord(char) if char.isalpha() else ord(char) + 256

    return (*map(order, text), 0)
