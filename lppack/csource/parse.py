# SPDX-License-Identifier: MIT
"""A C file of the kernel as a list of items: functions, variables, types, macros, includes.

Read by tree-sitter, as the kernel's sources are not preprocessed here: which of its macros and
branches count is left to the compiler, and each item keeps the ``#if`` lines around it.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

import tree_sitter

from lppack.csource.conditions import Known, decided
from lppack.csource.items import Item, Kind, Unit
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
from lppack.csource.system_calls import with_system_calls
from lppack.csource.words import ATTRIBUTES, DEFINER, INIT, INLINE, TAG, TO_THE_END, WORD, by_commas


def parse(path: str, text: str, known: Known = lambda _name: None) -> Unit:
    """The items of a file, in its order, without the branches that ``known`` excludes."""
    text = with_system_calls(text)
    plain = ATTRIBUTES.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    tree = parser().parse(plain.encode("latin-1", errors="replace"))
    found = [
        replace(item, conditions=tuple(line for line, value in sides if value is None))
        for item in _items(tree.root_node, text, ())
        for sides in [[(line, decided(line[4:], known)) for line in item.conditions]]
        if all(value is not False for _, value in sides)
    ]
    return Unit(path, tuple(sorted(found, key=lambda item: item.line)), text)


def members(item: Item) -> tuple[str, ...]:
    """Names of the members of a struct or union, in their order."""
    plain = ATTRIBUTES.sub(lambda match: " " * len(match[0]), item.text)
    tree = parser().parse(plain.encode("latin-1", errors="replace"))
    return tuple(
        declarator_name(declarator, plain)
        for node in walk(tree.root_node)
        if node.type == "field_declaration"
        for declarator in node.children_by_field_name("declarator")
    )


def _items(parent: tree_sitter.Node, text: str, conditions: tuple[str, ...]) -> Iterator[Item]:
    """Of a file, or of one branch of it."""
    for node in parent.children:
        kind = node.type
        if kind in ("preproc_ifdef", "preproc_if", "preproc_elif", "preproc_else"):
            if kind.startswith(("preproc_el",)):
                continue  # the branch before it has taken it
            yield from _branches(node, text, conditions)
            continue
        item = _item(node, text)
        if item is not None:
            yield replace(item, conditions=conditions)


def _branches(node: tree_sitter.Node, text: str, conditions: tuple[str, ...]) -> Iterator[Item]:
    before: list[str] = []  # of the branches that were not taken, each as an expression
    branch: tree_sitter.Node | None = node
    while branch is not None:
        own = _condition(branch, text)
        terms = [f"!({term})" for term in before] + ([own] if own else [])
        line = f"#if {' && '.join(terms)}"
        yield from _items(branch, text, (*conditions, line))
        before += [own] if own else []
        branch = branch.child_by_field_name("alternative")


def _condition(branch: tree_sitter.Node, text: str) -> str:
    """What must hold for that branch; "" for #else."""
    if branch.type == "preproc_ifdef":
        word = branch.children[0].type
        name = branch.child_by_field_name("name")
        assert name is not None
        defined = f"defined({text_of(name, text)})"
        return defined if word == "#ifdef" else f"!{defined}"
    condition = branch.child_by_field_name("condition")
    return " ".join(text_of(condition, text).split()) if condition is not None else ""


def _item(node: tree_sitter.Node, text: str) -> Item | None:
    line, own = node.start_point[0] + 1, text_of(node, text)
    match node.type:
        case "preproc_include":
            return Item(kind=Kind.INCLUDE, names=(), text=own.strip(), line=line)
        case "preproc_def" | "preproc_function_def":
            name = node.child_by_field_name("name")
            assert name is not None
            spots = tuple((m.start(), m[0]) for m in WORD.finditer(own) if m[0][0] not in "\"'")
            named = text_of(name, text)
            spots += tuple((m.start(), " ".join(m[0].split())) for m in TAG.finditer(own))
            kept = tuple((at, word) for at, word in sorted(spots) if at > own.index(named))
            return Item(
                kind=Kind.MACRO, names=(named,), text=own.rstrip("\n"), line=line, spots=kept
            )
        case "function_definition":
            return _function(node, text, own, line)
        case "declaration" | "type_definition" | "struct_specifier" | "union_specifier":
            return _declaration(node, text, own, line)
        case "enum_specifier":
            return _declaration(node, text, own, line)
        case "expression_statement" if DEFINER.match(own):
            return _declaration(node, text, own, line)
    return None


def _function(node: tree_sitter.Node, text: str, own: str, line: int) -> Item | None:
    declarator = node.child_by_field_name("declarator")
    body = node.child_by_field_name("body")
    if declarator is None or body is None:
        return None
    # Attributes before the first word of the grammar were blanked: they are on the same line.
    start = text.rfind("\n", 0, node.start_byte) + 1
    lead = text[start : node.start_byte]
    lead = lead if ATTRIBUTES.fullmatch(lead.strip()) else ""
    own, shift = lead + own, len(lead)
    head = own[: body.start_byte - node.start_byte + shift]
    locals_ = {name for name, _ in declared_in(node, text)}
    return Item(
        kind=Kind.FUNCTION,
        names=(declarator_name(declarator, text),),
        text=own,
        line=line,
        spots=tuple(
            (at - node.start_byte + shift, name)
            for at, name in names_in(node, text)
            if name not in locals_
        ),
        static=bool(re.search(r"\bstatic\b", head)),
        inline=bool(INLINE.search(head)),
        init=bool(INIT.search(head)),
        body=len(head),
        statics=tuple(name for name, static in declared_in(body, text) if static),
    )


def _declaration(node: tree_sitter.Node, text: str, own: str, line: int) -> Item:
    end = node.end_byte
    if not own.rstrip().endswith(";"):
        rest = TO_THE_END.match(text, end)
        if rest is None:  # a macro, taken for a type
            return Item(kind=Kind.OTHER, names=(), text=own, line=line)
        end = rest.end()
    own = text[node.start_byte : end]
    spots = tuple((at - node.start_byte, name) for at, name in names_in(node, text))
    if match := DEFINER.match(own):
        words = by_commas(match["words"])
        name = (words[1] if "PER_CPU" in match["macro"] else words[0]).partition("[")[0]
        return Item(
            kind=Kind.VARIABLE,
            names=(name,),
            text=own,
            line=line,
            spots=spots,
            static=own.startswith("static"),
        )
    types = tuple(types_in(node, text))
    names, kind, body = [], Kind.OTHER, 0
    for declarator in node.children_by_field_name("declarator"):
        name = declarator_name(declarator, text)
        function = is_function(declarator)
        kind = Kind.PROTOTYPE if function else Kind.VARIABLE
        names.append(name)
        if declarator.type == "init_declarator":
            value = declarator.child_by_field_name("value")
            assert value is not None
            body = max(0, text.rfind("=", node.start_byte, value.start_byte) - node.start_byte)
    if node.type == "type_definition" or (types and not names):
        kind = Kind.TYPE
    tag = node.child_by_field_name("name")
    if tag is not None and not names and not types:  # struct x;
        kind, names = (
            Kind.PROTOTYPE,
            [f"{node.type.removesuffix('_specifier')} {text_of(tag, text)}"],
        )
    if kind is Kind.VARIABLE and re.match(r"extern\b", own):
        kind = Kind.PROTOTYPE
    mine = {*names, *types}
    return Item(
        kind=kind,
        names=(*names, *types),
        text=own,
        line=line,
        spots=tuple((at, name) for at, name in spots if name not in mine or name in names),
        static=bool(re.match(r"static\b", own)),
        init=bool(INIT.search(own[: body or None])),
        body=body,
    )
