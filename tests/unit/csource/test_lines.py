# SPDX-License-Identifier: MIT
"""Lines that only moved keep the number that they had."""

import re

import pytest

from lppack.csource.lines import blocks, with_old_numbers
from tests.kit.c_sample import FILE


def numbers(text: str) -> list[tuple[int, str]]:
    """(__LINE__, line) of each line, as the preprocessor counts."""
    found, number = [], 1
    for line in text.splitlines():
        if directive := re.fullmatch(r"#line (\d+)", line):
            number = int(directive[1])
            continue
        found.append((number, line))
        number += 1
    return found


OLD = "int a;\nint f(void)\n{\n\treturn 1;\n}\nint g(void)\n{\n\treturn __LINE__;\n}\n"


@pytest.mark.parametrize(
    "new",
    [
        OLD.replace("return 1;", "int b;\n\n\treturn 1;"),
        OLD.replace("int a;\n", ""),
        OLD.replace("int a;\n", "int b;\nint c;\n"),
        OLD.replace("\treturn 1;\n", ""),
        "int first;\n" + OLD,
    ],
)
def test_what_follows_a_change_keeps_its_line(new: str) -> None:
    found = with_old_numbers(OLD, new)
    assert (8, "\treturn __LINE__;") in numbers(found)
    assert [line for _, line in numbers(found)] == new.splitlines()
    assert found.count("#line") == 1


def test_numbers_follow_two_changes() -> None:
    new = OLD.replace("int a;\n", "int a;\nint b;\n").replace("\treturn 1;\n", "")
    assert dict((line, number) for number, line in numbers(with_old_numbers(OLD, new))) == {
        "int a;": 1,
        "int b;": 2,
        "int f(void)": 2,
        "{": 7,
        "}": 9,
        "int g(void)": 6,
        "\treturn __LINE__;": 8,
    }


@pytest.mark.parametrize("new", [OLD, OLD.replace("return 1", "return 2"), OLD + "int last;\n"])
def test_no_directive_where_none_is_needed(new: str) -> None:
    assert with_old_numbers(OLD, new) == new


@pytest.mark.parametrize(
    "rest",
    [
        "int f(int a,\n      int b);\n",
        "/* one\n * two\n */\n",
        "#define A(x) \\\n\t(x) + \\\n\t1\n",
        'char *s = "one\\\ntwo";\n',
        "int t[\n\t1\n];\n",
    ],
)
def test_no_directive_inside_of_something(rest: str) -> None:
    # The line that is alike is the second of what may not be taken apart.
    first, _, others = rest.partition("\n")
    old = f"{first}\n{others}int x = __LINE__;\n"
    new = f"int added;\n{first} \n{others}int x = __LINE__;\n"
    if first.endswith("\\"):
        new = f"int added;\n{first.replace('A(x)', 'A( x)').replace('one', 'an')}\n{others}"
        new += "int x = __LINE__;\n"
    found = with_old_numbers(old, new)
    line = rest.count("\n") + 1
    assert found == new.replace("int x", f"#line {line}\nint x")


def test_blocks_are_what_both_have() -> None:
    new = OLD.replace("int a;\n", "").replace("return 1;", "return 2;\n\tf();")
    old_lines, new_lines = OLD.splitlines(), new.splitlines()
    found = blocks(OLD, new)
    assert [(one.a, one.b, one.size) for one in found] == [(1, 0, 2), (4, 4, 5)]
    for one in found:
        assert old_lines[one.a : one.a + one.size] == new_lines[one.b : one.b + one.size]


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("", "a\n", []),
        ("a\n", "", []),
        ("a\na\n", "a\na\na\n", [(0, 0, 2)]),
        ("a\nb\n", "a\nb\n", [(0, 0, 2)]),
        ("a\nx\nb\n", "a\nb\n", [(0, 0, 1), (2, 1, 1)]),
    ],
)
def test_blocks_never_overlap(before: str, after: str, found: list[tuple[int, int, int]]) -> None:
    assert [(one.a, one.b, one.size) for one in blocks(before, after)] == found


def test_every_safe_line_of_a_file_keeps_its_number() -> None:
    new = FILE.replace("int count;\n", "int count;\n\tint more;\n\tint most;\n")
    old = {line: number for number, line in enumerate(FILE.splitlines(), 1) if line.strip()}
    found = {line: number for number, line in numbers(with_old_numbers(FILE, new))}
    assert {line for line in old if found[line] != old[line]} == set()
