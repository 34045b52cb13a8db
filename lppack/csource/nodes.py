# SPDX-License-Identifier: MIT
"""Queries on the syntax tree of a C file."""

from collections.abc import Iterator
from functools import cache

import tree_sitter
import tree_sitter_c

from lppack.csource.words import DEFINER, WORD, by_commas


@cache
def parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))


def text_of(node: tree_sitter.Node, text: str) -> str:
    return text[node.start_byte : node.end_byte]


def is_function(node: tree_sitter.Node) -> bool:
    while node.type == "pointer_declarator":
        inner = node.child_by_field_name("declarator")
        if inner is None:
            return False
        node = inner
    inner = node.child_by_field_name("declarator")
    return node.type == "function_declarator" and (
        inner is None or inner.type != "parenthesized_declarator"
    )


def declarator_name(node: tree_sitter.Node, text: str) -> str:
    while node.type not in ("identifier", "type_identifier", "field_identifier"):
        inner = node.child_by_field_name("declarator")
        if inner is None:
            inner = next((child for child in node.named_children), None)
        if inner is None:
            return ""
        node = inner
    return text_of(node, text)


def types_in(node: tree_sitter.Node, text: str) -> Iterator[str]:
    """Yield the tags and enumerators that a node defines."""
    for inner in walk(node):
        if inner.type in ("struct_specifier", "union_specifier", "enum_specifier"):
            name, body = inner.child_by_field_name("name"), inner.child_by_field_name("body")
            if name is not None and body is not None:
                yield f"{inner.type.removesuffix('_specifier')} {text_of(name, text)}"
        elif inner.type == "enumerator":
            name = inner.child_by_field_name("name")
            if name is not None:
                yield text_of(name, text)


def names_in(node: tree_sitter.Node, text: str) -> Iterator[tuple[int, str]]:
    """Yield (offset in the file, name) of every identifier, except members and labels."""
    for inner in walk(node):
        if inner.type == "identifier":
            yield inner.start_byte, text_of(inner, text)
        elif inner.type == "type_identifier":
            parent = inner.parent
            if parent is not None and parent.type.endswith("_specifier"):
                # At the keyword, so that the offset is that of the whole name.
                word = parent.type.removesuffix("_specifier")
                yield parent.start_byte, f"{word} {text_of(inner, text)}"
            else:
                yield inner.start_byte, text_of(inner, text)
        elif inner.type == "preproc_arg":
            own = text_of(inner, text)
            for match in WORD.finditer(own):
                if match[0][0] not in "\"'":
                    yield inner.start_byte + match.start(), match[0]


#: LIST_HEAD(x); in a function is a call for the grammar.
_DECLARE = ("declaration", "expression_statement")


def declared_in(node: tree_sitter.Node, text: str) -> Iterator[tuple[str, bool]]:
    """Yield (name, True if static and not const) of each parameter and local variable."""
    for inner in walk(node):
        if inner.type == "parameter_declaration":
            declarator = inner.child_by_field_name("declarator")
            if declarator is not None:
                yield declarator_name(declarator, text), False
        elif inner.type in _DECLARE and (match := DEFINER.match(text_of(inner, text))):
            name = by_commas(match["words"])[0].partition("[")[0]
            yield name, match[0].startswith("static")
        elif inner.type == "declaration":
            words = {text_of(child, text) for child in inner.children[:4]}
            static = "static" in words and "const" not in words
            for declarator in inner.children_by_field_name("declarator"):
                if not is_function(declarator):
                    yield declarator_name(declarator, text), static


def walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """Yield the node and all below it, in the order of the text."""
    stack = [node]
    while stack:
        here = stack.pop()
        yield here
        stack.extend(reversed(here.children))
