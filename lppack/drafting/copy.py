# SPDX-License-Identifier: MIT
"""Draft an unchanged copy of a function, for an author to edit.

It is drafted as a change of one instruction, which is not written to the patch.
"""

import difflib
import re
from collections.abc import Callable, Collection, Sequence

from lppack.csource.items import ItemKind
from lppack.csource.parse import parse
from lppack.csource.paths import check_path
from lppack.csource.scan import pieces
from lppack.drafting.edit import BYTES, Edit, Read, edited
from lppack.errors import AnswerIsNo
from lppack.kernel.config import KernelConfig

#: Inserted at the beginning of a function: its object code differs, so it is replaced.
MARK = '\n\tasm volatile("nop");\t/* lppack */'
# arch/x86/include/asm/syscall_wrapper.h (v6.1): the names that SYSCALL_DEFINEn(NAME, ...) makes.
_SYSTEM_CALL = re.compile(r"__(?:x64|ia32|do)_(?:compat_)?sys_")
#: Returns the C files of the kernel's tree that contain all words.
Search = Callable[[Collection[str]], Sequence[str]]
#: Returns functions of the kernel with similar names.
Similar = Callable[[str], Sequence[str]]


def copy_of(
    functions: Sequence[str],
    path: str | None,
    read: Read,
    search: Search,
    config: KernelConfig,
    similar: Similar = lambda _name: (),
) -> Edit:
    """Return an edit that marks each of ``functions`` in the file ``path``; None: find the file.

    Raise AnswerIsNo if there is no such file, or several; ``similar`` gives known functions with
    names like one that does not exist.
    """
    path = path or _file_with(functions, read, search, similar)
    check_path(path, "--path")
    data = read(path)
    if data is None:
        raise AnswerIsNo(
            f"the sources of this kernel have no {path}",
            hint="give it as in the top folder of the sources: --path drivers/rtc/class.c",
        )
    before = data.decode(BYTES)
    at = _bodies(path, before)
    for name in functions:
        if name not in at:
            close = difflib.get_close_matches(name, at, n=2)
            raise AnswerIsNo(
                f"{path} has no function {name}",
                hint=f"did you mean {' or '.join(close)}?" if close else None,
            )
    after = before
    for offset in sorted({at[name] for name in functions}, reverse=True):
        after = f"{after[: offset + 1]}{MARK}{after[offset + 1 :]}"
    return edited(
        {path: (data, after.encode(BYTES))},
        read,
        config,
        subject=f"change {', '.join(functions)}",
        text=b"",
    )


def _bodies(path: str, text: str) -> dict[str, int]:
    """Return the offset of the body of each function."""
    return {
        name: piece.body
        for piece in pieces(text)
        if piece.kind == "function"
        for item in parse(path, text[piece.start : piece.end]).items
        if item.kind is ItemKind.FUNCTION
        for name in item.names
    }


def _other(functions: Sequence[str], similar: Similar) -> str:
    if len(functions) > 1:
        return "draft functions of one file at a time"
    if close := similar(functions[0]):
        return f"did you mean {' or '.join(close)}?"
    return "is it a macro, or made by one? name the file: --path drivers/rtc/class.c"


def _file_with(functions: Sequence[str], read: Read, search: Search, similar: Similar) -> str:
    names = ", ".join(functions)
    found = [
        path
        for path in search([_SYSTEM_CALL.sub("", name) for name in functions])
        if set(functions) <= _bodies(path, (read(path) or b"").decode(BYTES)).keys()
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise AnswerIsNo(
            f"no C file of this kernel's sources defines {names}", hint=_other(functions, similar)
        )
    raise AnswerIsNo(
        f"{len(found)} files define {names}: {', '.join(found[:12])}"
        + (", ..." if len(found) > 12 else ""),
        hint=f"say which: --path {found[0]}",
    )
