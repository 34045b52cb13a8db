# SPDX-License-Identifier: MIT
"""ids: the id file of an author's repository, read and written."""

import re
from collections.abc import Iterator
from pathlib import Path

from lppack import store
from lppack.document import Document
from lppack.errors import ManifestError, Problem
from lppack.ids import Ids, default
from lppack.stages.load import load

FILE = "lppack-ids.yaml"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+)*")
_HEAD = """\
# Reserved ids of live patches. An id never gets another meaning.
lppack-ids: 1
ids:
"""


def ids(folder: Path) -> Ids:
    """Read the id file for the patch in ``folder``. Raise ManifestError if it is not an id file.

    The file is in the root of the repository, or in ``folder`` if that is in no repository.
    """
    path = _root(folder) / FILE
    if not path.is_file():
        return Ids()
    document = load(path)
    problems = list(_problems(document))
    if problems:
        raise ManifestError(problems)
    return Ids(reserved=dict(document.data["ids"] or {}), path=path)


def reserve(name: str, folder: Path) -> tuple[int, Path]:
    """Add ``name`` to the id file, with its default id; return the id and the file.

    Create the file if it is missing. Raise ManifestError if the name or its id is in use.
    """
    path = _root(folder) / FILE
    number = default(name)
    with store.locked(store.cache_dir() / "ids.lock"):
        known = ids(folder).reserved
        if not _NAME.fullmatch(name):
            raise _refused(
                path, f'"{ascii(name)[1:-1]}" is not a valid name: use letters, digits, ._- and /'
            )
        if name in known:
            raise _refused(path, f'"{name}" is reserved already: {known[name]:#x}')
        if taken := [other for other, used in known.items() if used == number]:
            raise _refused(path, f'"{name}" and "{taken[0]}" have the same id: {number:#x}')
        text = path.read_text() if path.is_file() else _HEAD
        text = text if text.endswith("\n") else f"{text}\n"
        store.write_atomic(path, f"{text}  {name}: {number:#x}\n".encode())
        try:
            assert ids(folder).reserved[name] == number
        except (ManifestError, AssertionError, KeyError):
            store.write_atomic(path, text.encode())
            raise _refused(
                path, f'"ids" is not the last key, so nothing was added; add: {name}: {number:#x}'
            ) from None
    return number, path


def _root(folder: Path) -> Path:
    folder = folder.resolve()
    found = (place for place in (folder, *folder.parents) if (place / ".git").exists())
    return next(found, folder)


def _refused(path: Path, message: str) -> ManifestError:
    return ManifestError(
        [
            Document(path=path, shown=str(path), data=None, values={}, keys={}).problem(
                (), "id-file", message
            )
        ]
    )


def _problems(document: Document) -> Iterator[Problem]:
    def fault(pointer: tuple[str, ...], message: str) -> Problem:
        return document.problem(pointer, "id-file", message)

    for key in document.data:
        if key not in ("lppack-ids", "ids"):
            yield fault((key,), f'"{ascii(key)[1:-1]}" is not a key of an id file')
    if document.at("lppack-ids") != 1:
        yield fault(("lppack-ids",), '"lppack-ids" is not 1')
    entries = document.at("ids")
    if entries is not None and not isinstance(entries, dict):
        yield fault(("ids",), '"ids" must be a mapping of names to numbers')
        return
    seen: dict[int, str] = {}
    for name, number in (entries or {}).items():
        if not _NAME.fullmatch(name):
            yield fault(("ids", name), "is not a valid name: use letters, digits, ._- and /")
        elif type(number) is not int or not 0 < number < 1 << 64:
            yield fault(("ids", name), f'the id of "{name}" must be from 1 to 2^64 - 1')
        elif number in seen:
            yield fault(("ids", name), f'{number:#x} is the id of "{seen[number]}" already')
        else:
            seen[number] = name
