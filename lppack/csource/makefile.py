# SPDX-License-Identifier: MIT
"""Read a folder's Makefile: its compiler flags, and the objects that it names."""

import difflib
import re
from collections.abc import Iterator

from lppack.kernel.config import KernelConfig

# Documentation/kbuild/makefiles.rst (v6.1): ccflags-y is for the Makefile's own files.
_LINE = re.compile(
    r"^(?:(?:subdir-)?ccflags-(?P<on>y|\$\(CONFIG_\w+\))|CFLAGS_(?P<file>[\w-]+)\.o)"
    r"\s*[:+?]?=(?P<flags>.*)$",
    re.MULTILINE,
)
# What begins a list of objects: obj-y += x.o, obj-$(CONFIG_X) += x.o, name-objs := x.o.
_HEAD = re.compile(r"[\w-]+-(?:y|m|objs|\$\(CONFIG_\w+\))|[:+]?=")
_OBJECT = re.compile(r"\w[\w/.-]*\.o")
_DEFINE = re.compile(r"(?<!\S)-D\s*(?P<name>[A-Za-z_]\w*)(?:=(?P<value>[^\s$()\"']+))?(?!\S)")


def defines(makefile: str, stem: str, config: KernelConfig) -> tuple[str, ...]:
    """Return the macros that it defines for ``stem``.c, as text after ``#define``."""
    joined = re.sub(r"\\\n", " ", makefile)
    return tuple(dict.fromkeys(_defines(joined, stem, config)))


def _defines(makefile: str, stem: str, config: KernelConfig) -> Iterator[str]:
    for line in _LINE.finditer(makefile):
        if line["file"] not in (None, stem):
            continue
        if line["on"] not in (None, "y") and not config.is_on(line["on"][2:-1]):
            continue
        for found in _DEFINE.finditer(line["flags"]):
            yield f"{found['name']} {found['value'] or 1}"


def objects_between(before: str, after: str) -> tuple[frozenset[str], frozenset[str]] | None:
    """Return the objects that a Makefile adds and removes; None if it has other changes."""
    was, now = ([*_words(text)] for text in (before, after))
    added, gone = list[str](), list[str]()
    match = difflib.SequenceMatcher(None, was, now, autojunk=False)
    for _, start, end, start_new, end_new in (c for c in match.get_opcodes() if c[0] != "equal"):
        gone += was[start:end]
        added += now[start_new:end_new]
    objects = frozenset(filter(_OBJECT.fullmatch, added))
    heads = [word for word in added if word not in objects]
    if not objects or not all(map(_HEAD.fullmatch, heads)):
        return None
    return (objects, frozenset(gone)) if all(map(_OBJECT.fullmatch, gone)) else None


def _words(makefile: str) -> Iterator[str]:
    """Yield the words of a Makefile, without comments and line ends."""
    for line in re.sub(r"\\\n", " ", makefile).splitlines():
        yield from line.partition("#")[0].split()
