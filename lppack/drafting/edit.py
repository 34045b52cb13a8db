# SPDX-License-Identifier: MIT
"""A change of the kernel's sources: from a unified diff, or from a later version of them."""

import difflib
import functools
import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lppack.csource.changes import Changes, compare
from lppack.csource.items import Item, ItemKind, ParsedFile
from lppack.csource.makefile import defines
from lppack.csource.only import only, same
from lppack.csource.parse import parse
from lppack.csource.paths import check_path
from lppack.drafting.places import Cannot, Files
from lppack.errors import AnswerIsNo, HasItAlready
from lppack.kernel.config import KernelConfig

#: Returns a file of the kernel's tree; None if it does not exist.
Read = Callable[[str], bytes | None]
#: Returns headers, with their paths, that contain one of the words.
Headers = Callable[[Collection[str]], Iterable[tuple[str, bytes]]]

#: Paths that are not compiled into this kernel: texts, tools, other architectures.
NO_CODE = re.compile(
    r"(?:Documentation|LICENSES|samples|tools/(?!arch/x86/lib/|build/|lib/|objtool/)[\w-]+)/"
    r"|arch/(?!x86/)\w+/|arch/x86/um/|scripts/(?:coccinelle|gdb)/"
    r"|(?:.*/)?(?:MAINTAINERS|CREDITS|README|COPYING|\.(?:clang-format|gitignore|mailmap))$|.*\.(?:rst|md)$"
)
_INCLUDED = re.compile(
    r'^[ \t]*#[ \t]*include[ \t]+[<"](?P<name>[^>"\n]+\.[ch])[>"][ \t]*$', re.MULTILINE
)
# The kernel's files have various encodings; this one preserves each byte.
BYTES = "latin-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change: its files before and after, and its description."""

    changes: tuple[Changes, ...]  # of its C files and headers
    subject: str
    files: Mapping[str, tuple[bytes | None, bytes | None]]  # all of them; None: there is none
    text: bytes  # as a unified diff
    commit: str | None = None  # None: it names none
    cve: str | None = None
    author: str | None = None
    borrowed: tuple[tuple[str, Item], ...] = ()  # (path, what only a later version's header has)
    inlined: tuple[Item, ...] = ()  # functions of headers, whose symbols need other names
    renamed: Mapping[str, str] = field(default_factory=dict)  # C files, new path -> the kernel's


def _has(path: str, here: str, later: str, functions: Sequence[str], config: KernelConfig) -> bool:
    """Return True if ``here`` is, in these functions or in all of it, what the later version is."""
    if functions:
        return same(path, here, later, functions)
    found = _compared(path, here, later, config)
    return not (found.changed or found.added or found.removed)


def between(
    path: str,
    functions: Sequence[str],
    old: Read,
    new: Read,
    config: KernelConfig,
    *,
    own: Read,
) -> Edit:
    """Return the edit that updates some functions of one file to a later version of the sources.

    ``own``: the sources of the kernel that is to be patched. Raise AnswerIsNo.
    """
    check_path(path, "--path")
    before, after, here = old(path), new(path), own(path)
    if before is None or after is None:
        raise AnswerIsNo(f"one of the two versions has no {path}")
    later = after.decode(BYTES)
    if functions:  # each of them differs between the two versions
        after = only(path, before.decode(BYTES), later, functions).encode(BYTES)
    if here is not None and _has(path, here.decode(BYTES), later, functions, config):
        raise HasItAlready
    names = ", ".join(functions) or "change"
    subject = f"{path}: {names} as in a later version"
    lines = difflib.unified_diff(
        before.decode(BYTES).splitlines(keepends=True),
        after.decode(BYTES).splitlines(keepends=True),
        f"a/{path}",
        f"b/{path}",
    )
    diff = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
    text = f"Subject: {subject}\n\n{diff}".encode(BYTES)
    return edited({path: (before, after)}, old, config, subject=subject, text=text)


def edited(
    files: Mapping[str, tuple[bytes | None, bytes | None]],
    read: Read,
    config: KernelConfig,
    *,
    subject: str,
    text: bytes,
    commit: str | None = None,
    cve: str | None = None,
    author: str | None = None,
    renamed: Mapping[str, str] | None = None,
) -> Edit:
    """Return the change of ``files``, which are pairs of (text before, text after)."""
    changes = tuple(
        _compared(path, (was or b"").decode(BYTES), (now or b"").decode(BYTES), config)
        for path, (was, now) in files.items()
        if path.endswith((".c", ".h")) and not NO_CODE.match(path)
    )
    return Edit(
        changes=changes,
        files=dict(files),
        subject=subject,
        text=text,
        commit=commit,
        cve=cve,
        author=author,
        renamed=renamed or {},
    )


def borrow(
    edit: Edit,
    names: Collection[str],
    old: Headers,
    new: Headers | None,
    config: KernelConfig,
) -> tuple[Edit, tuple[Cannot, ...]]:
    """Return ``edit`` with definitions of ``names`` from headers of a later version.

    Only macros and inline functions are borrowed, and only if they depend on nothing that the old
    headers lack. Definitions with new types or helpers may have another meaning in this kernel.
    """
    if new is None:
        return edit, ()
    found: dict[str, tuple[str, Item]] = {}
    cannot = [no for name in sorted(set(names)) if (no := _stands(name, found, old, new, config))]
    return replace(edit, borrowed=(*edit.borrowed, *found.values())), tuple(cannot)


def inline_users(names: Collection[str], headers: Iterable[Changes | None]) -> tuple[Item, ...]:
    """Return the inline functions of headers that use one of ``names``."""
    return tuple(
        changes.after.unguarded(item)
        for changes in headers
        if changes is not None
        for item in changes.after.functions.values()
        if item.uses & set(names)
    )


def _stands(
    name: str, taken: dict[str, tuple[str, Item]], old: Headers, new: Headers, config: KernelConfig
) -> Cannot | None:
    """Borrow an item after its dependencies; or return why it cannot be borrowed."""
    after = _defined([name], new([name]), config).get(name, [])
    if name in taken or not after or _defined([name], old([name]), config):
        return None
    path, item = after[0]
    # Searching a definition of each name would read most headers.
    lacks = {n for n in item.uses - {name} if not any(old([n])) and any(new([n]))}
    more = dict(taken)
    missing = (_stands(other, more, old, new, config) for other in sorted(lacks))
    why = f"it came with {path} of the later version"
    if len(after) > 1 or item.kind not in (ItemKind.MACRO, ItemKind.FUNCTION):
        why += ", and is neither a macro nor an inline function"
    elif no := next(filter(None, missing), None):
        why += f", and uses {no.what}, which this kernel does not have either: {no.why}"
    else:
        taken |= more
        taken[name] = path, item
        return None
    return Cannot(what=name, why=why, way="write by hand what the fix needs of it")


def _defined(
    names: Collection[str], headers: Iterable[tuple[str, bytes]], config: KernelConfig
) -> dict[str, list[tuple[str, Item]]]:
    found: dict[str, list[tuple[str, Item]]] = {}
    for path, text in headers if names else ():
        unit = _parsed(path, text.decode(BYTES), config)
        for name in unit.by_name.keys() & set(names):
            items = [unit.unguarded(item) for item in unit.by_name[name]]
            found.setdefault(name, []).extend((path, item) for item in items)
    return found


def files_of(edit: Edit, read: Read, config: KernelConfig) -> Files:
    """Return each file before and after. Included C files, and headers that are new, replace
    their #include line."""
    known: dict[str, Changes | None] = {}
    fresh = [of for of, (was, _) in edit.files.items() if was is None and of.endswith(".h")]

    def one(path: str, which: int) -> bytes | None:
        if path in edit.files:
            return edit.files[path][which]
        return read(path)

    def whole(path: str, which: int, seen: tuple[str, ...] = ()) -> str | None:
        data = one(path, which)
        if data is None or path in seen:
            return None

        def included(match: re.Match[str]) -> str:
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), match["name"]))
            there = beside not in fresh and one(beside, which) is not None
            new = [of for of in fresh if of.endswith(f"/{match['name']}") and not there]
            for own in (beside, *new):
                if own.endswith(".c") or edit.files.get(own, (b"", b""))[0] is None:
                    return whole(own, which, (*seen, path)) or match[0]
            return match[0]

        return _INCLUDED.sub(included, data.decode(BYTES))

    def file(path: str) -> Changes | None:
        if path not in known:
            here = path.endswith((".c", ".h"))
            old, new = (whole(path, which) if here else None for which in (0, 1))
            gone = old is None and new is None
            known[path] = None if gone else _compared(path, old or "", new or "", config)
        return known[path]

    return file


def makefile_defines(path: str, read: Read, config: KernelConfig) -> tuple[str, ...]:
    """Return the macros that the file's Makefile defines, as text after ``#define``."""
    folder, _, name = path.rpartition("/")
    makefile = read(f"{folder}/Makefile")
    return defines(makefile.decode(BYTES), name.removesuffix(".c"), config) if makefile else ()


def _compared(path: str, old: str, new: str, config: KernelConfig) -> Changes:
    return compare(_parsed(path, old, config), _parsed(path, new, config))


@functools.lru_cache(maxsize=256)
def _parsed(path: str, text: str, config: KernelConfig) -> ParsedFile:
    def known(name: str) -> bool | None:
        if not name.startswith("CONFIG_"):
            return None
        if name.endswith("_MODULE") and name not in config:
            return config.get(name.removesuffix("_MODULE")) == "m"
        return config.get(name, "n") not in ("n", "m")

    return parse(path, text, known)
