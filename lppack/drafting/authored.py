# SPDX-License-Identifier: MIT
"""Compare the C of a patch with the change that it follows.

Differences that a live patch needs are allowed. Anything that cannot be compared is a doubt.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from lppack.csource.items import Item, ItemKind
from lppack.csource.parse import parse
from lppack.csource.scan import tokens
from lppack.drafting.carry import second_copies
from lppack.drafting.enums import leads_to_an_enum
from lppack.drafting.places import Files, Target

_STORAGE = frozenset(
    ("static", "extern", "inline", "__always_inline", "__inline", "noinline", "noinline_for_stack")
)
_ATTRIBUTES = frozenset(
    ("__maybe_unused", "__net_init", "__net_exit", "__ref", "__latent_entropy", "__init")
)
_REWRITTEN = (
    (r"\blp_trace \( (\w+)(?: ,)?", r"trace_\1 ("),
    (r"\blp_key_enabled \( __tracepoint_(\w+) \. key \)", r"trace_\1_enabled ( )"),
    (r"\bstatic_branch_(?:un)?likely \( & (\w+) \)", r"lp_key_enabled ( \1 )"),
    (r"\blp_static_call", "static_call"),
    (r"\blp_module_\w+ \( \)", "THIS_MODULE"),
    (r"\blp_(?!key_enabled\b)(?:var_)?(\w+)", r"\1"),
)
_COMPARED = (ItemKind.FUNCTION, ItemKind.MACRO, ItemKind.TYPE, ItemKind.VARIABLE)


def differences(
    sources: Mapping[str, str],
    replaced: Collection[tuple[Target, str]],
    files: Files,
    headers: Sequence[str],
    defines: Collection[str],
    aliases: Collection[tuple[str, str]] = (),
) -> Iterator[str]:
    """Yield the differences between the patch and the change, one sentence each.

    ``sources``: the patch's C files, text by name. ``replaced``: functions to replace, with the
    names of their replacements. ``headers``: headers that the change names, and those that depend
    on it.
    ``defines``: names of macros from Makefiles, and definitions that kbuild gives the compiler.
    ``aliases``: (symbol, its name in the sources).
    """
    paths = dict.fromkeys([*(target.path for target, _ in replaced), *headers])
    texts = [changes for path in paths if (changes := files(path))]
    known: dict[str, list[Item]] = {}
    for changes in texts:
        for item in changes.after.items:
            for name in item.names if item.kind in _COMPARED else ():
                known.setdefault(name, []).append(item)
    names = {new: target.name for target, new in replaced}
    symbols = {alias: name for name, alias in aliases}
    items = {name: parse(name, text).items for name, text in sources.items()}
    own = {item.name: item for ones in items.values() for item in ones if item.kind in _COMPARED}
    for target, new in replaced:
        changes = files(target.path)
        wanted = changes.after.functions.get(target.name) if changes else None
        if new not in own:
            yield f"no source defines {new}"
        elif wanted is None or plain(own[new], {**symbols, new: target.name}) != plain(wanted, {}):
            yield f"{new} is not what the change makes of {target.name} in {target.path}"
        elif changes and target.name in changes.before.functions:
            yield from second_copies(own[new], changes.before.functions[target.name])
    for file, ones in items.items():
        for item in ones:
            if item.kind not in _COMPARED or not item.name or item.name in names:
                continue
            by_build = {item.name, item.tokens} & set(defines)
            if item.kind is ItemKind.MACRO and (by_build or _leads(item, aliases)):
                continue
            name = _kernels(item.name)
            types = [one for one in known.get(name, ()) if one.kind is ItemKind.TYPE]
            if item.kind is ItemKind.MACRO and types and leads_to_an_enum(item):
                continue
            same = [one for one in known.get(name, ()) if one.kind is item.kind]
            if not same:
                yield f"{item.name} in {file} is in no file that the change is of"
            elif not any(
                plain(item, {**symbols, item.name: name}) == plain(one, {}) for one in same
            ):
                yield f"{item.name} in {file} is not what the change makes of {name}"
            elif item.kind is ItemKind.FUNCTION:
                yield from second_copies(item, same[0])
    yield from _missing(texts, replaced, own, known)


def _missing(
    texts: Sequence[object],
    replaced: Collection[tuple[Target, str]],
    own: Mapping[str, Item],
    known: Mapping[str, Sequence[Item]],
) -> Iterator[str]:
    """Yield items that the change adds or changes, the replacements use, and the patch lacks."""
    from lppack.csource.changes import Changes

    changed: dict[str, ItemKind] = {}
    for changes in texts:
        assert isinstance(changes, Changes)
        for item in (*changes.changed, *changes.added):
            if item.kind in _COMPARED:
                changed |= {name: item.kind for name in item.names}
    present = {_kernels(name) for name in own} | {n for item in own.values() for n in item.names}
    taken = {target.name for target, _ in replaced}
    seen, todo = set(taken), sorted(taken)
    while todo:
        for item in known.get(todo.pop(), ()):
            for name in sorted(item.uses - seen):
                seen.add(name)
                todo.append(name)
                if name in changed and name not in present:
                    yield f"{name} is changed or new, and the patch uses the kernel's old headers"


def _leads(item: Item, aliases: Collection[tuple[str, str]]) -> bool:
    """Return True if a macro maps a symbol to the name that the manifest gives it, for headers."""
    return any(item.tokens == f"#define {name} {alias}" for name, alias in aliases)


def _kernels(name: str) -> str:
    return re.sub(r"^(enum )?lp_(?:var_)?", r"\1", name)


def plain(item: Item, names: Mapping[str, str]) -> str:
    """Return the tokens of an item, without comments, storage classes, and the patch's own
    names."""
    words = [
        names.get(token, token)
        for kind, _, token in tokens(item.text)
        if kind not in ("comment", "blank")
    ]
    # Keep `static` in the body: it declares data of the function.
    body = words.index("{") if "{" in words and item.kind is ItemKind.FUNCTION else len(words)
    kept = [
        word
        for at, word in enumerate(words)
        if word not in _ATTRIBUTES and (at > body or word not in _STORAGE)
    ]
    text = " ".join(part for word in kept for part in _split(word))
    for pattern, replacement in _REWRITTEN:
        text = re.sub(pattern, replacement, text)
    return text


def _split(word: str) -> list[str]:
    """Split a directive, which is one token for the scanner."""
    return word.split() if word.lstrip().startswith("#") else [word]
