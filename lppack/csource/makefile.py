# SPDX-License-Identifier: MIT
"""Read a folder's Makefile: its compiler flags, and the objects that it names."""

import re
from collections.abc import Iterator

from lppack.kernel.config import KernelConfig

# Documentation/kbuild/makefiles.rst (v6.1): ccflags-y is for the Makefile's own files.
_LINE = re.compile(
    r"^(?:(?:subdir-)?ccflags-(?P<on>y|\$\(CONFIG_\w+\))|CFLAGS_(?P<file>[\w-]+)\.o)"
    r"\s*[:+?]?=(?P<flags>.*)$",
    re.MULTILINE,
)
# A list of objects: obj-y += x.o, obj-$(CONFIG_X) += x.o, name-objs := x.o.
_LIST = re.compile(
    r"(?P<head>[\w-]+-(?:y|m|objs|\$\(CONFIG_\w+\)))\s*(?P<how>[:+]?=)\s*(?P<words>.*)"
)
_BRANCH = re.compile(r"(?:ifn?eq|ifn?def|else|endif)\b")
#: An object, with the list and the branches in which it stands.
Listed = tuple[str, str]
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


def objects_between(before: str, after: str) -> tuple[frozenset[Listed], frozenset[Listed]] | None:
    """Return the objects that are new in a Makefile, and those that are gone, each as (where it
    stands, object); None: other things of it differ, or an object that stays stands elsewhere."""
    (was, rest), (now, new_rest) = _listed(before), _listed(after)
    added, gone = now - was, was - now
    both = {of for _, of in added} & {of for _, of in was}
    return None if rest != new_rest or not added or both else (frozenset(added), frozenset(gone))


def _listed(makefile: str) -> tuple[set[Listed], list[str]]:
    """Return its objects, and all else that it says, without comments."""
    found, rest = set[Listed](), list[str]()
    branches: list[str] = []
    for whole in re.sub(r"\\\n", " ", makefile).splitlines():
        line = " ".join(whole.partition("#")[0].split())
        if branch := _BRANCH.match(line):
            if not branch[0].startswith("if") and branches:
                line = f"{branches.pop()} {line}"
            branches += [line] if branch[0] != "endif" else []
        match = _LIST.fullmatch(line)
        if match is None:
            rest += [line] if line else []
            continue
        where = " ".join([*branches, match["head"]])
        if match["how"] != "+=" and any(head == where for head, _ in found):
            rest.append(line)  # it takes back what stands before it
        for word in match["words"].split():
            if _OBJECT.fullmatch(word):
                found.add((where, word))
            else:
                rest.append(f"{where} {word}")
    return found, rest
