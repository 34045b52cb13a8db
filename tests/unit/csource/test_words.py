# SPDX-License-Identifier: MIT
"""Words of the kernel's C: what defines a variable, and how the same is declared."""

import pytest

from lppack.csource.parse import parse
from lppack.csource.words import (
    _DEFINERS,
    ATTRIBUTES,
    DEFINER,
    INIT,
    INLINE,
    WORD,
    by_commas,
    declared,
    is_static_key,
)


@pytest.mark.parametrize("macro", _DEFINERS)
def test_each_macro_is_known_and_its_declaration_is_one(macro: str) -> None:
    text = f"static {macro}(first, second);\n"
    match = DEFINER.match(text)
    assert match is not None and match["macro"] == macro
    as_declared = _DEFINERS[macro].format("first", "second")
    assert as_declared.endswith(";") and "first" in as_declared and "{" not in as_declared
    [item] = parse("a.c", as_declared + "\n").items
    assert item.text.strip()


@pytest.mark.parametrize(
    ("text", "as_declared"),
    [
        ("static int x = 1;\n", "extern int x;"),
        ("static const int x[] = { 1 };\n", "extern const int x[];"),
        ("int x __read_mostly = 1;\n", "extern int x;"),
        ("static DEFINE_PER_CPU(struct a, x);\n", "DECLARE_PER_CPU(struct a, x);"),
        ("static DECLARE_BITMAP(x, 2 * N);\n", "extern unsigned long x[BITS_TO_LONGS(2 * N)];"),
        ("DEFINE_STATIC_KEY_FALSE(x);\n", "extern struct static_key_false x;"),
        ("static inline int f(int a)\n{\n\treturn a;\n}\n", "extern int f(int a);"),
        ("STATIC int\nf(\n\tint a)\n{\n\treturn a;\n}\n", "extern int\nf(\n\tint a);"),
        ("MEM_STATIC int f(int a)\n{\n\treturn a;\n}\n", "extern int f(int a);"),
        ("asmlinkage __init int f(void)\n{\n\treturn 0;\n}\n", "extern int f(void);"),
    ],
)
def test_what_is_defined_elsewhere_is_declared(text: str, as_declared: str) -> None:
    [item] = parse("a.c", text).items
    assert declared(item) == as_declared


def test_a_static_key_is_told_from_other_variables() -> None:
    for text, key in (
        ("static DEFINE_STATIC_KEY_TRUE(x);\n", True),
        ("DEFINE_STATIC_KEY_ARRAY_FALSE(x, 3);\n", True),
        ("DEFINE_STATIC_SRCU(x);\n", False),
        ("struct static_key x;\n", False),
    ):
        [item] = parse("a.c", text).items
        assert is_static_key(item) is key, text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("int x __read_mostly;", "int x ;"),
        ("struct a { } __packed __aligned(8);", "struct a { }  ;"),
        ("int f(void) __must_hold(&a->lock(b));", "int f(void) ;"),
        ("int __userland;", "int __userland;"),  # a longer name
        ("int my__user;", "int my__user;"),
    ],
)
def test_words_that_stand_where_the_grammar_expects_none(text: str, left: str) -> None:
    assert ATTRIBUTES.sub("", text) == left


def test_words_of_a_text() -> None:
    found = [match[0] for match in WORD.finditer("a->b c.d \"e f\" 'g' h_1 2x x")]
    assert found == ["a", "c", '"e f"', "'g'", "h_1", "x"]


@pytest.mark.parametrize("word", ["inline", "__always_inline", "static inline int f(void)"])
def test_inline(word: str) -> None:
    assert INLINE.search(word)
    assert not INLINE.search("inlined outline __noinline_x")


def test_code_and_data_that_go_after_the_start() -> None:
    assert all(INIT.search(word) for word in ("__init", "__exit", "int x __initdata;"))
    assert not INIT.search("__initcall init __init_task")


def test_words_are_taken_apart_at_commas() -> None:
    assert by_commas(" a , b,c ") == ["a", "b", "c"]
    assert by_commas("") == [""]
