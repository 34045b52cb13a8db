# SPDX-License-Identifier: MIT
"""A C file of the kernel as a list of items: functions, variables, types, macros, includes.

The sources are not preprocessed: the compiler decides about macros and branches, and each item
keeps the ``#if`` lines around it. scan.py splits the file, and works with any macro. tree-sitter
reads one item at a time, so an item that it does not understand does not affect the others.
"""

import bisect
import re
from dataclasses import replace

import tree_sitter

from lppack.csource.conditions import Known, decided
from lppack.csource.items import Item, ItemKind, ParsedFile
from lppack.csource.nodes import (
    declarator_name,
    declared_in,
    is_function,
    names_in,
    parser,
    text_of,
    types_in,
    walk,
)
from lppack.csource.scan import Piece, pieces, tokens
from lppack.csource.system_calls import with_system_calls
from lppack.csource.words import (
    ATTRIBUTES,
    DEFINER,
    INIT,
    INLINE,
    INVOKED,
    STATIC,
    TAG,
    WORD,
    by_commas,
)

_DECLARATIONS = (
    *("declaration", "type_definition"),
    *("struct_specifier", "union_specifier", "enum_specifier"),
)


def parse(path: str, text: str, known: Known = lambda _name: None) -> ParsedFile:
    """Return the items of a file in order, without the branches that ``known`` excludes."""
    text, shifts = with_system_calls(text)
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    found = []
    for piece in pieces(text):
        sides = [(line, decided(line[4:], known)) for line in piece.conditions]
        if any(value is False for _, value in sides):
            continue
        item = _item(piece, text[piece.start : piece.end])
        if item is not None:
            conditions = tuple(line for line, value in sides if value is None)
            line = bisect.bisect_right(starts, piece.start)
            line += sum(lines for at, lines in shifts if at <= piece.start)
            found.append(replace(item, conditions=conditions, line=line))
    return ParsedFile(path, tuple(found), text)


def members(item: Item) -> tuple[str, ...]:
    """Return the names of the members of a struct or union, in their order."""
    plain = ATTRIBUTES.sub(lambda match: " " * len(match[0]), item.text)
    tree = parser().parse(plain.encode("latin-1", errors="replace"))
    return tuple(
        declarator_name(declarator, plain)
        for node in walk(tree.root_node)
        if node.type == "field_declaration"
        for declarator in node.children_by_field_name("declarator")
    )


def _item(piece: Piece, own: str) -> Item | None:
    """Return the piece, with text ``own``, as an item; None if it has no meaning by itself."""
    match piece.kind:
        case "include":
            return Item(kind=ItemKind.INCLUDE, names=(), text=own, line=0)
        case "define":
            return _macro(own)
        case "function":
            return _function(own, piece.body - piece.start)
        case "declaration":
            return _declaration(own)
        case "invocation":
            return _declaration(own) if DEFINER.match(own) else _other(own)
    return None


def _macro(own: str) -> Item | None:
    head = re.match(r"#\s*define\s+(\w+)", own)
    if head is None:
        return None
    spots = [(m.start(), m[0]) for m in WORD.finditer(own) if m[0][0] not in "\"'"]
    spots += [(m.start(), " ".join(m[0].split())) for m in TAG.finditer(own)]
    kept = tuple((at, word) for at, word in sorted(spots) if at >= head.end())
    return Item(kind=ItemKind.MACRO, names=(head[1],), text=own, line=0, spots=kept)


def _other(own: str) -> Item:
    spots = tuple((m.start(), m[0]) for m in WORD.finditer(own) if m[0][0] not in "\"'")
    return Item(kind=ItemKind.OTHER, names=(), text=own, line=0, spots=spots)


def _tree(own: str) -> tree_sitter.Node:
    """Return the syntax tree of one piece; words that the grammar does not know are blanked."""
    plain = ATTRIBUTES.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), own)
    return parser().parse(plain.encode("latin-1", errors="replace")).root_node


def _function(own: str, body: int) -> Item:
    head = own[:body]
    root = _tree(own)
    node = next((n for n in root.children if n.type == "function_definition"), None)
    declarator = node.child_by_field_name("declarator") if node is not None else None
    name = declarator_name(declarator, own) if declarator is not None else ""
    if not name or not re.search(rf"\b{re.escape(name)}\s*\)*\s*\(", head):
        name, declarator = _name_before_brackets(head), None
    if node is None or declarator is None:
        node = root  # a macro of the kernel's that looks like no C: names are still found
    locals_ = {found for found, _ in declared_in(node, own)} - {name}
    return Item(
        kind=ItemKind.FUNCTION,
        names=(name,),
        text=own,
        line=0,
        spots=tuple((at, found) for at, found in names_in(root, own) if found not in locals_),
        static=bool(STATIC.search(head)),
        inline=bool(INLINE.search(head)),
        init=bool(INIT.search(head)),
        body=body,
        statics=tuple(n for n, static in declared_in(node, own) if static and n != name),
    )


def _name_before_brackets(head: str) -> str:
    """Return the name of a function, of whose head the grammar makes nothing."""
    plain = ATTRIBUTES.sub(lambda match: " " * len(match[0]), head)
    found = re.search(r"([A-Za-z_]\w*)\s*\(", plain)
    return found[1] if found else ""


def _is_invocation(own: str) -> bool:
    """Return True for MACRO(...), which may define something of another name than its argument:
    DEFINE_SCHED_CLASS(rt) = { ... } defines rt_sched_class."""
    head = INVOKED.match(own)
    if head is None or re.match(r"\s*\*", own[head.end() :]):  # int-less (*function)(...)
        return False
    deep = 0
    for kind, at, token in tokens(own):
        deep += (token == "(") - (token == ")") if kind == "sign" else 0
        if at >= head.end() and deep == 0:
            after = re.sub(r"/\*.*?\*/|//[^\n]*", "", own[at + 1 :], flags=re.DOTALL).strip()
            return not after or after[0] in ";=["
    return False


def _declaration(own: str) -> Item:
    root = _tree(own)
    spots = tuple(names_in(root, own))
    if match := DEFINER.match(own):
        words = by_commas(match["words"])
        name = (words[1] if "PER_CPU" in match["macro"] else words[0]).partition("[")[0]
        return Item(
            kind=ItemKind.VARIABLE,
            names=(name,),
            text=own,
            line=0,
            spots=spots,
            static="static" in own[: match.start("macro")].split(),
        )
    if _is_invocation(own):
        return _other(own)  # only the preprocessor knows what it defines
    node = next((n for n in root.children if n.type in _DECLARATIONS), None)
    if node is None:
        return _other(own)
    types = tuple(types_in(node, own))
    names, kind, body = [], ItemKind.OTHER, 0
    for declarator in node.children_by_field_name("declarator"):
        name = declarator_name(declarator, own)
        kind = ItemKind.PROTOTYPE if is_function(declarator) else ItemKind.VARIABLE
        names.append(name)
        if declarator.type == "init_declarator":
            value = declarator.child_by_field_name("value")
            assert value is not None
            body = max(0, own.rfind("=", node.start_byte, value.start_byte))
    if node.type == "type_definition" or (types and not names):
        kind = ItemKind.TYPE
    tag = node.child_by_field_name("name")
    if tag is not None and not names and not types:  # struct x;
        word = node.type.removesuffix("_specifier")
        kind, names = ItemKind.PROTOTYPE, [f"{word} {text_of(tag, own)}"]
    if kind is ItemKind.VARIABLE and re.match(r"extern\b", own):
        kind = ItemKind.PROTOTYPE
    mine = {*names, *types}
    return Item(
        kind=kind,
        names=(*names, *types),
        text=own,
        line=0,
        spots=tuple((at, name) for at, name in spots if name not in mine or name in names),
        static=bool(re.match(r"static\b", own)),
        init=bool(INIT.search(own[: body or None])),
        body=body,
    )
