# SPDX-License-Identifier: MIT
"""Questions to the syntax tree of a C file."""

from collections.abc import Callable

import pytest
import tree_sitter

from lppack.csource.nodes import (
    declarator_name,
    declared_in,
    is_function,
    names_in,
    parser,
    types_in,
    walk,
)


def tree(text: str) -> tree_sitter.Node:
    return parser().parse(text.encode()).root_node


def declarator(text: str) -> tree_sitter.Node:
    [node] = tree(text).named_children
    found = node.child_by_field_name("declarator")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "name", "function"),
    [
        ("int x;", "x", False),
        ("int *x;", "x", False),
        ("int x[4];", "x", False),
        ("int x = 1;", "x", False),
        ("int f(void);", "f", True),
        ("struct a *f(int x);", "f", True),
        ("int **f(void);", "f", True),
        ("int (*f)(void);", "f", False),  # a pointer to one
        ("int (*table[3])(void);", "table", False),
    ],
)
def test_what_is_declared(text: str, name: str, function: bool) -> None:
    found = declarator(text)
    assert declarator_name(found, text) == name
    assert is_function(found) is function


def test_tags_and_enumerators_that_are_defined() -> None:
    text = "struct a { union b { int x; } u; struct c *p; enum { ONE, TWO } e; };"
    assert [*types_in(tree(text), text)] == ["struct a", "union b", "ONE", "TWO"]
    assert [*types_in(tree("struct a *x;"), "struct a *x;")] == []


def test_names_that_are_no_members_and_no_labels() -> None:
    text = "int f(struct a *p)\n{\nout:\n\tp->count = X + s.y + sizeof(t);\n\tgoto out;\n}\n"
    found = [name for _, name in names_in(tree(text), text)]
    assert {"f", "p", "struct a", "X", "s"} <= {*found}
    assert not {"count", "y", "out"} & {*found}
    assert all(text[at:].startswith(name) for at, name in names_in(tree(text), text))


def test_in_a_macro_words_of_strings_are_no_names() -> None:
    text = "#define show(x) printk(\"of show \" #x, y, 'c', .z)\n"
    found = [name for _, name in names_in(tree(text), text)]
    assert {"printk", "y"} <= {*found}
    assert not {"of", "c"} & {*found}


@pytest.mark.parametrize(
    ("body", "declared"),
    [
        ("int x;", {"x": False}),
        ("static int x;", {"x": True}),
        ("static const int x = 1;", {"x": False}),
        ("int *x, y[3];", {"x": False, "y": False}),
        ("static DEFINE_MUTEX(x);", {"x": True}),
        ("DECLARE_BITMAP(x, 8);", {"x": False}),
        ("LIST_HEAD(x);", {"x": False}),
        ("LIST_HEADS(x);", {}),  # a call, for all that is known
        ("f(x);", {}),
        ("int g(void);", {}),
    ],
)
def test_what_is_local(body: str, declared: dict[str, bool]) -> None:
    text = f"int f(int p)\n{{\n\t{body}\n\treturn 0;\n}}\n"
    assert dict(declared_in(tree(text), text)) == {"p": False, **declared}


def test_the_tree_is_walked_in_the_order_of_the_text() -> None:
    starts = [node.start_byte for node in walk(tree("int a; int b(int c) { return a + c; }"))]
    assert starts == sorted(starts)


def test_a_deep_tree_is_no_deep_stack() -> None:
    text = f"int x = {'(' * 3000}1{')' * 3000};"
    assert sum(1 for _ in walk(tree(text))) > 3000


def test_what_is_no_c_is_walked_too() -> None:
    questions: tuple[Callable[..., object], ...] = (types_in, names_in, declared_in)
    for text in ("", "}{", "int f(", "\x01", "#if"):
        for question in questions:
            list(question(tree(text), text))  # type: ignore[call-overload]
