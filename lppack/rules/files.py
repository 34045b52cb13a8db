# SPDX-License-Identifier: MIT
"""Rules of the files in a patch's folder: where they are, and what they are called."""

import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from lppack.document import Document, Pointer
from lppack.rules.registry import MANIFEST, rule
from lppack.rules.runner import Fault, clip, nearest, safe

GENERATED = (
    "Kbuild",
    "lppack.h",
    "lp_convert.c",
    "lp_count.c",
    "lp_count.h",
    "lp_functions.h",
    "lp_glue.c",
    "lp_marks.h",
    "lp_runtime.h",
    "lp_series.c",
    "lp_slots.c",
    "lp_slots.h",
    "lp_test_point.c",
    "lp_unload.c",
    "lp_world.c",
    "lp_world.h",
)


@rule(needs=MANIFEST)
def files_are_in_the_folder(document: Document) -> Iterator[Fault]:
    """Files of a patch are ordinary files inside its folder.

    Not allowed: `..`, an absolute path, a link to a file outside, a device.
    """
    for key in ("sources", "headers"):
        for pointer, text in document.strings(key):
            yield from _file(document, pointer, text)
    for pointer, text in document.strings("test", "programs"):
        yield from _file(document, pointer, text)
    follows = document.text("follows")
    if follows is not None:
        yield from _file(document, ("follows",), follows)
    stacks = document.text("workload", "stacks")
    if stacks is not None:
        yield from _file(document, ("workload", "stacks"), stacks)
    for pointer, entry in document.mappings("workload", "visits"):
        histogram = entry.get("histogram")
        if isinstance(histogram, str):
            yield from _file(document, (*pointer, "histogram"), histogram)
    if any(True for _ in document.strings("test", "targets")):
        yield from _file(document, ("test", "targets"), "target/Kbuild")
        for file in sorted((document.folder / "target").rglob("*")):
            if file.is_symlink():
                yield Fault(("test", "targets"), f'"{file.name}" in target/ is a link', "copy it")


def _file(document: Document, pointer: Pointer, text: str) -> Iterator[Fault]:
    path = PurePosixPath(text)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*", text):
        reason = (
            "has a .. in it or is absolute" if ".." in path.parts or path.is_absolute() else None
        )
        yield Fault(
            pointer,
            f'"{safe(text)}" {reason or "is not a plain relative path"}',
            "use letters, digits, _ . - and / below the patch's folder",
        )
        return
    file = document.folder / text
    try:
        if not os.path.realpath(file).startswith(f"{_real(document.folder)}/"):
            yield Fault(pointer, f'"{text}" leads out of the patch\'s folder', "copy the file")
        elif not file.exists():
            yield Fault(pointer, f'"{text}" does not exist in {document.folder}', _nearest(file))
        elif not file.is_file():
            yield Fault(pointer, f'"{text}" is not an ordinary file')
    except (OSError, RuntimeError):  # RuntimeError: pathlib raises it for a link to itself
        yield Fault(pointer, f'"{clip(text)}" is not the name of a file that can be read')


@functools.lru_cache(maxsize=1)
def _real(folder: Path) -> str:
    """Resolve a folder, and cache the result: Path.resolve() is slow, and a manifest has many
    files."""
    return os.path.realpath(folder)


def _nearest(file: Path) -> str | None:
    names = [entry.name for entry in file.parent.iterdir()] if file.parent.is_dir() else []
    close = nearest(file.name, names)
    return f'did you mean "{close}"?' if close else None


@rule(needs=MANIFEST)
def sources_are_c(document: Document) -> Iterator[Fault]:
    """Sources end in `.c`, headers in `.h`, and none has the name of a generated file."""
    for key, suffix in (("sources", ".c"), ("headers", ".h")):
        for pointer, text in document.strings(key):
            if not text.endswith(suffix):
                yield Fault(pointer, f'"{safe(text)}" does not end in {suffix}')
            elif text in GENERATED or text.startswith(("lppack_", "kernel_headers/", "engine/")):
                yield Fault(pointer, f'"{text}" is the name of a generated file', "rename it")


#: Limit in bytes: a larger source is not written by hand.
TEXT_MAX = 1 << 20


def text_of(document: Document, name: str) -> str | None:
    """Return the text of a file of the patch; None if it cannot be read (other rules report
    that)."""
    if any(_file(document, (), name)) or any(_unreadable(document.folder / name)):
        return None
    return (document.folder / name).read_bytes().decode()


@rule(needs=MANIFEST)
def sources_are_text(document: Document) -> Iterator[Fault]:
    """Sources and headers are UTF-8 without NUL bytes, and of at most 1 MiB."""
    for key in ("sources", "headers"):
        for pointer, name in document.strings(key):
            if not any(_file(document, pointer, name)):
                for reason in _unreadable(document.folder / name):
                    yield Fault(pointer, f'"{safe(name)}" {reason}')


def _unreadable(file: Path) -> Iterator[str]:
    try:
        if file.stat().st_size > TEXT_MAX:
            yield f"is larger than {TEXT_MAX >> 20} MiB"
        elif b"\0" in (data := file.read_bytes()):
            yield "contains a NUL byte"
        else:
            data.decode()
    except UnicodeDecodeError as error:
        yield f"is not UTF-8, from byte {error.start}"
    except OSError as error:
        yield f"cannot be read: {error.strerror}"
