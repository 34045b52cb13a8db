# SPDX-License-Identifier: MIT
"""What stands at the top level of a C file, and questions to it."""

import pytest

from lppack.csource.items import Item, ItemKind, ParsedFile
from lppack.csource.parse import parse


def items(text: str, path: str = "a.c") -> tuple[Item, ...]:
    return parse(path, text).items


def one(text: str) -> Item:
    [item] = items(text)
    return item


def test_comments_and_blanks_are_no_tokens() -> None:
    item = one("int /* a */ f(void) // b\n{\n\treturn\t1; /* c\n d */\n}\n")
    assert item.tokens == "int f(void) { return 1; }"


def test_a_new_name_is_given_to_uses_and_not_to_members_strings_or_longer_names() -> None:
    item = one('int f(void)\n{\n\treturn count + t->count + counts + g("count");\n}\n')
    text = item.renamed({"count": "lp_count", "f": "lp_f"})
    assert 'return lp_count + t->count + counts + g("count");' in text
    assert item.renamed({}) == item.text
    head = item.renamed({"count": "lp_count"}, item.text[: item.body])
    assert head == item.text[: item.body]


@pytest.mark.parametrize(
    ("text", "const"),
    [
        ("static const int x = 1;\n", True),
        ("int const x;\n", True),
        ("static int x = (const int)1;\n", False),
        ("static int constant;\n", False),
        ("const int f(void)\n{\n\treturn 1;\n}\n", True),
        ("int f(void)\n{\n\tconst int x = 1;\n\treturn x;\n}\n", False),
    ],
)
def test_what_is_const_is_said_before_the_value(text: str, const: bool) -> None:
    assert one(text).const is const


def test_names_are_found_in_the_order_of_the_file() -> None:
    unit = parse(
        "a.c", "int f(void);\nint f(void)\n{\n\treturn g();\n}\nint g(void)\n{\n\treturn 0;\n}\n"
    )
    assert [item.kind for item in unit.by_name["f"]] == [ItemKind.PROTOTYPE, ItemKind.FUNCTION]
    assert [*unit.functions] == ["f", "g"]
    assert unit.users("g") == ("f",)
    assert unit.users("f") == unit.users("none") == ()


def test_a_function_that_calls_itself_is_no_user_of_itself() -> None:
    unit = parse("a.c", "int f(int x)\n{\n\treturn x ? f(x - 1) : 0;\n}\n")
    assert unit.users("f") == ()


def test_a_header_is_without_its_guard_and_keeps_other_branches() -> None:
    text = "#ifndef A_H\n#define A_H\n#ifdef CONFIG_X\nint x;\n#endif\n#endif\n"
    unit = parse("a.h", text)
    [item] = [item for item in unit.items if item.name == "x"]
    assert len(item.conditions) == 2
    assert unit.unguarded(item).conditions == item.conditions[1:]
    free = parse("b.h", "#ifdef CONFIG_X\nint x;\n#endif\n")
    [item] = free.items
    assert free.unguarded(item) == item


def test_an_empty_file_has_nothing() -> None:
    unit = parse("a.c", "")
    assert (unit.items, unit.by_name, unit.functions) == ((), {}, {})
    assert ParsedFile("a.c", (), "").users("f") == ()
    assert Item(kind=ItemKind.OTHER, names=(), text=";", line=1).name == ""
