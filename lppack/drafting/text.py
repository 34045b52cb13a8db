# SPDX-License-Identifier: MIT
"""An Extract as C text."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from lppack.csource.items import Item, ItemKind
from lppack.csource.words import STATIC_WORDS, declared
from lppack.drafting.edit import BYTES
from lppack.drafting.extract import STATIC_CALL, Extract, ItemForm, includes
from lppack.drafting.headers import Private
from lppack.drafting.wired import Wired

_STORAGE = re.compile(
    rf"\b(?:{STATIC_WORDS}|inline|__always_inline|__inline|noinline_for_stack|noinline|__maybe_unused"
    r"|__net_init|__net_exit|__ref|__latent_entropy)\b[ \t]*"
)
_ATTRIBUTE = re.compile(r"\b__(?:initdata|initconst|maybe_unused|read_mostly|ro_after_init)\b")
# include/linux/static_call_types.h (v6.1): the keys that code of vmlinux names are not exported.
_BUILT_IN = (
    "#include <linux/static_call_types.h>",
    "#undef MODULE /* built in, as what it replaces */",
)
# scripts/Makefile.lib (v6.1): from the names of the file and of what it is linked into.
_NAMES = ("KBUILD_BASENAME", "KBUILD_MODFILE", "KBUILD_MODNAME")
# include/linux/tracepoint.h (v6.1): would define the kernel's tracepoints once more.
_DROPPED = ("CREATE_TRACE_POINTS",)


def comment(words: str) -> str:
    """Return ``words`` as a C comment; text from a mail must not end the comment."""
    plain = words.replace("*/", "* /").replace("/*", "/ *")
    lines = textwrap.wrap(plain, 90, initial_indent=" * ", subsequent_indent=" * ")
    # A character for each byte, as the kernel's text has.
    return "\n".join(["/*", *lines, " */"]).encode().decode(BYTES)


def c_text(
    made: Extract,
    head: str,
    private: Private,
    wired: Wired,
    *,
    defines: Sequence[str] = (),
    built_as: Sequence[str] = (),
    undefined: Sequence[str] = (),
    stubs: Sequence[str] = (),
    built_in: bool = False,
) -> str:
    """Return the whole file, after the comment ``head``.

    ``defines`` are what the file's Makefile gives the compiler, ``built_as`` what kbuild gives it
    (built_as()), ``undefined`` the macros that headers no longer have, and ``stubs`` errors for a
    person to replace. ``built_in``: it stands for code of vmlinux, for which headers may have other
    values and functions than for a module's.
    """
    at_top = dict(includes(made.unit))
    lines: list[str] = ["// SPDX-License-Identifier: GPL-2.0-only", head, ""]
    lines += [*_BUILT_IN, ""] if built_in else []
    lines += [f"#define {text}" for text in defines]
    for own in built_as:
        lines += [f"#undef {own.partition(' ')[0]}", f"#define {own}"]
    lines += [""] if built_as else []
    lines += _with_conditions(
        (item, text)
        for item in at_top.values()
        if item.name not in _DROPPED
        if (text := private.include(item)) is not None
    )
    lines += ["#include <linux/livepatch.h>"] if stubs else []
    lines += ["", '#include "lppack.h"'] if wired.needs_lppack_h else []
    lines += ["", *(f'#error "{stub}"' for stub in stubs)] if stubs else []
    if undefined:
        lines += ["", *(f"#undef {name}" for name in undefined)]
    if made.fresh:
        lines.append("")
        lines += _with_conditions(
            (item, wired.rewired(_fresh(item, made))) for item in _in_order(made.fresh)
        )
    body = []
    for at, form in sorted(made.forms.items()):
        if at not in at_top:
            item = made.unit.items[at]
            body += [(other, _head(other, made)) for other in _needed_before(at, made)]
            body.append((item, wired.rewired(_form(item, form, made))))
    return "\n".join([*lines, "", *_with_conditions(iter(body), apart=True)]) + "\n"


def built_as(flags: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the file and its module that kbuild gave the compiler, as text after
    ``#define``: messages and requests of the kernel have them, and the patch has others."""
    words = (flag.removeprefix("-D").partition("=") for flag in flags if flag.startswith("-D"))
    return tuple(f"{name} {value}" for name, _, value in words if name in _NAMES)


def _in_order(fresh: Sequence[Item]) -> list[Item]:
    """Return declarations first, and each after what it uses."""
    by_name = {name: item for item in fresh for name in item.names}
    found: list[Item] = []

    def take(item: Item, above: tuple[Item, ...] = ()) -> None:
        for name in sorted(item.uses):
            other = by_name.get(name)
            if other is not None and other not in (*found, *above, item):
                take(other, (*above, item))
        if item not in found:
            found.append(item)

    for item in sorted(fresh, key=lambda one: one.kind is not ItemKind.PROTOTYPE):
        take(item)
    return found


def _needed_before(at: int, made: Extract) -> Iterator[Item]:
    """Functions that come later in the file, and are first used by the item there: a header or the
    file declares them under the kernel's name alone."""
    written = sorted(made.forms)
    for later in written[written.index(at) + 1 :]:
        item = made.unit.items[later]
        if item.kind is not ItemKind.FUNCTION or made.forms[later] is ItemForm.EXTERN:
            continue
        users = [n for n in written if n < later and item.name in made.unit.items[n].uses]
        if item.name in made.names and users[:1] == [at]:
            yield replace(item, kind=ItemKind.PROTOTYPE)


def _head(item: Item, made: Extract) -> str:
    """Return the declaration of a function of ours."""
    signature = item.renamed(made.names, item.text[: item.body])
    plain = _STORAGE.sub("", signature).strip()
    return f"{plain};" if _is_new(made, item.name) else f"static {plain};"


def _fresh(item: Item, made: Extract) -> str:
    text = item.renamed(made.names)
    if item.kind is ItemKind.MACRO:
        return f"#undef {item.name}\n{text}"
    return text


def _form(item: Item, form: ItemForm, made: Extract) -> str:
    if form is ItemForm.EXTERN and (call := STATIC_CALL.match(item.text)):
        names = {old: new for old, new in made.names.items() if old != call["name"]}
        return STATIC_CALL.sub(r"DECLARE_STATIC_CALL\g<words>", item.renamed(names))
    if form is ItemForm.EXTERN:
        text = _with_size(declared(item), item.name, made.sizes.get(item.name))
        alias = made.aliases.get(item.name)
        return _renamed_last(text, item.name, alias) if alias else text
    if item.kind is not ItemKind.FUNCTION:
        text = item.renamed(made.names)
        if item.kind is ItemKind.PROTOTYPE and made.names.keys() & set(item.names):
            new = any(_is_new(made, n) for n in item.names)
            text = _STORAGE.sub("", text)
            return text if new else f"static {text.removeprefix('extern ')}"
        return text
    head, body = item.text[: item.body], item.renamed(made.names)
    signature = item.renamed(made.names, head)
    body = body[len(signature) :]
    if form is ItemForm.NEW:
        plain = _aligned(head, _STORAGE.sub("", signature).lstrip())
        # Behind the #endif of several heads stands no semicolon.
        end = "\n;" if plain.rstrip().rpartition("\n")[2].startswith("#") else ";"
        return f"{plain.rstrip()}{end}\n\n{plain}{body}"
    if not item.static:
        return _aligned(head, f"static {signature}") + body
    return _aligned(head, signature) + body


def _with_size(text: str, name: str, size: int | None) -> str:
    """Return the declaration of an array with the length that its initialiser gives."""
    found = re.match(rf"extern (?P<type>.*?)\b{re.escape(name)}\[\];$", text, re.DOTALL)
    if not found or not size:
        return text
    kind = " ".join(_ATTRIBUTE.sub(" ", found["type"]).split())
    return f"{text[:-2].rstrip()[:-1]}[{size} / sizeof({kind})];"


def _renamed_last(text: str, name: str, alias: str) -> str:
    """Rename what a declaration declares, its last ``name``; a struct tag of that name stays."""
    *_, last = re.finditer(rf"\b{re.escape(name)}\b", text)
    return text[: last.start()] + alias + text[last.end() :]


def _is_new(made: Extract, name: str) -> bool:
    items = made.unit.items
    return any(form is ItemForm.NEW and items[at].name == name for at, form in made.forms.items())


def _aligned(old: str, new: str) -> str:
    """Align parameters below the opening bracket again, after a name has changed its length."""
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
    """Yield the texts, inside the branches that were not decided."""
    open_: tuple[str, ...] = ()
    last: tuple[ItemKind, bool] | None = None  # kind of the text before, and has it several lines?
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
