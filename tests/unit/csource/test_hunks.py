# SPDX-License-Identifier: MIT
"""Each run of changed lines is reported with the item that it is in."""

from lppack.csource.hunks import hunks
from lppack.csource.parse import parse

OLD = """\
#include <a.h>

static int used;

static int f(int a)
{
	a++;
	return a;
}
static int g(int a)
{
	a--;
	return a;
}
"""


def found(new: str, old: str = OLD) -> list[tuple[int, int, str | None, bool]]:
    return [
        (one.line, one.lines, one.item.name if one.item else None, one.before)
        for one in hunks(old, new, parse("a.c", old), parse("a.c", new))
    ]


def test_nothing_differs() -> None:
    assert found(OLD) == []


def test_lines_in_one_function() -> None:
    new = OLD.replace("\ta++;\n", "\ta += 2;\n\ta += 3;\n").replace("a--", "--a")
    assert found(new) == [(7, 2, "f", False), (13, 1, "g", False)]


def test_a_run_is_split_where_it_reaches_the_next_item() -> None:
    new = OLD.replace(
        "\treturn a;\n}\nstatic int g(int a)\n{\n\ta--;",
        "\treturn b;\n} \nstatic int g(long a)\n{ \n\t--a;",
    )
    assert found(new) == [(8, 2, "f", False), (10, 3, "g", False)]


def test_lines_between_items_have_none() -> None:
    new = OLD.replace("int used;\n", "int used;\n/* one */\n/* two */\n")
    assert found(new) == [(4, 2, None, False)]


def test_a_deletion_is_reported_with_the_version_before() -> None:
    assert found(OLD.replace("\ta--;\n", "").replace("\ta++;\n", "")) == [
        (7, 1, "f", True),
        (12, 1, "g", True),
    ]


def test_a_deletion_that_reaches_the_next_item_is_split() -> None:
    assert found(OLD[: OLD.index("static int f")]) == [(5, 5, "f", True), (10, 5, "g", True)]


def test_lines_that_take_the_place_of_others_are_reported_once() -> None:
    assert found(OLD.replace("\ta--;\n\treturn a;\n", "\treturn --a;\n")) == [(12, 1, "g", False)]


def test_a_change_of_the_first_and_of_the_last_line() -> None:
    assert found(OLD.replace("a.h", "b.h") + "int last;\n") == [
        (1, 1, "", False),  # the #include is an item without a name
        (15, 1, "last", False),
    ]


def test_a_new_file_and_one_that_is_gone() -> None:
    text = "int a;\n"
    [new] = hunks("", text, None, parse("a.c", text))
    [gone] = hunks(text, "", parse("a.c", text), None)
    assert (new.line, new.lines, new.item and new.item.name, new.before) == (1, 1, "a", False)
    assert (gone.line, gone.lines, gone.item and gone.item.name, gone.before) == (1, 1, "a", True)
