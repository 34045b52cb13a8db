# SPDX-License-Identifier: MIT
"""An Extract as C text."""

import re
from collections.abc import Iterator, Sequence

from lppack.csource.items import Item, Kind
from lppack.csource.words import declared
from lppack.drafting.extract import Extract, Form, includes
from lppack.drafting.headers import Private
from lppack.drafting.wired import Wired

_STORAGE = re.compile(
    r"\b(?:static|inline|__always_inline|__inline|noinline_for_stack|noinline|__maybe_unused"
    r"|__net_init|__net_exit|__ref|__latent_entropy)\b[ \t]*"
)
# include/linux/tracepoint.h (v6.1): would define the kernel's tracepoints once more.
_DROPPED = ("CREATE_TRACE_POINTS",)


def c_text(
    made: Extract,
    head: str,
    private: Private,
    wired: Wired,
    *,
    defines: Sequence[str] = (),
    stubs: Sequence[str] = (),
) -> str:
    """The whole file, after the comment ``head``; ``defines`` are what the file's Makefile gives
    the compiler, ``stubs`` are errors for a person to replace."""
    at_top = dict(includes(made.unit))
    lines: list[str] = ["// SPDX-License-Identifier: GPL-2.0-only", head, ""]
    lines += [f"#define {text}" for text in defines]
    lines += _with_conditions(
        (item, text)
        for item in at_top.values()
        if item.name not in _DROPPED
        if (text := private.include(item)) is not None
    )
    lines += ["#include <linux/livepatch.h>"] if stubs else []
    lines += ["", '#include "lppack.h"'] if wired.needs_lppack_h else []
    lines += ["", *(f'#error "{stub}"' for stub in stubs)] if stubs else []
    if made.fresh:
        lines.append("")
        lines += _with_conditions((item, wired.rewired(_fresh(item, made))) for item in made.fresh)
    body = [
        (made.unit.items[at], wired.rewired(_form(made.unit.items[at], form, made)))
        for at, form in sorted(made.forms.items())
        if at not in at_top
    ]
    return "\n".join([*lines, "", *_with_conditions(iter(body), apart=True)]) + "\n"


def _fresh(item: Item, made: Extract) -> str:
    text = item.renamed(made.names)
    if item.kind is Kind.MACRO:
        return f"#undef {item.name}\n{text}"
    return text


def _form(item: Item, form: Form, made: Extract) -> str:
    if form is Form.EXTERN:
        return declared(item)
    if item.kind is not Kind.FUNCTION:
        text = item.renamed(made.names)
        if item.kind is Kind.PROTOTYPE and made.names.keys() & set(item.names):
            new = any(made.names.get(n) == f"lp_{n}" for n in item.names if _is_new(made, n))
            text = _STORAGE.sub("", text)
            return text if new else f"static {text.removeprefix('extern ')}"
        return text
    head, body = item.text[: item.body], item.renamed(made.names)
    signature = item.renamed(made.names, head)
    body = body[len(signature) :]
    if form is Form.NEW:
        plain = _aligned(head, _STORAGE.sub("", signature).lstrip())
        return f"{plain.rstrip()};\n\n{plain}{body}"
    if not item.static:
        return _aligned(head, f"static {signature}") + body
    return _aligned(head, signature) + body


def _is_new(made: Extract, name: str) -> bool:
    items = made.unit.items
    return any(form is Form.NEW and items[at].name == name for at, form in made.forms.items())


def _aligned(old: str, new: str) -> str:
    """Parameters that stood below the opening bracket stand there again."""
    first, *rest = new.split("\n")
    before = old.split("\n")
    if "(" not in first or len(before) != len(rest) + 1 or "(" not in before[0]:
        return new
    column, wanted = before[0].index("(") + 1, first.index("(") + 1
    lines = [first]
    for line in rest:
        text = line.lstrip(" \t")
        indent = len(line[: len(line) - len(text)].expandtabs(8))
        if indent == column and text:
            line = "\t" * (wanted // 8) + " " * (wanted % 8) + text
        lines.append(line)
    return "\n".join(lines)


def _with_conditions(items: Iterator[tuple[Item, str]], *, apart: bool = False) -> Iterator[str]:
    """The texts, inside the branches that were not decided."""
    open_: tuple[str, ...] = ()
    last: tuple[Kind, bool] | None = None  # kind of the text before, and has it several lines?
    for item, text in items:
        same = 0
        while same < min(len(open_), len(item.conditions)) and (
            open_[same] == item.conditions[same]
        ):
            same += 1
        for _ in open_[same:]:
            yield "#endif"
        here = (item.kind, "\n" in text)
        if apart and last is not None and (here != last or here[1]):
            yield ""
        yield from item.conditions[same:]
        open_, last = item.conditions, here
        yield text
    for _ in open_:
        yield "#endif"
