# SPDX-License-Identifier: MIT
"""Diffs are applied exactly, and what they change is known by name."""

import difflib

import pytest

from lppack.csource.changes import Changes, compare, patched, path_of, read_diff
from lppack.csource.parse import parse
from lppack.errors import AnswerIsNo
from tests.kit.c_sample import FILE, known


def diff(new: str, old: str = FILE) -> str:
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), "a/fs/small.c", "b/fs/small.c"
    )
    return "".join(lines)


def changes(new: str, old: str = FILE) -> Changes:
    return compare(parse("fs/small.c", old, known), parse("fs/small.c", new, known))


NEW = FILE.replace("2 * x", "2 * (x)")


def test_a_diff_makes_the_new_file_of_the_old() -> None:
    [file] = read_diff(diff(NEW))
    assert path_of(file) == "fs/small.c"
    assert patched(FILE, file) == NEW


def test_a_hunk_may_have_moved() -> None:
    [file] = read_diff(diff(NEW))
    assert patched(f"/* one\n * more */\n{FILE}", file) == f"/* one\n * more */\n{NEW}"


def test_a_hunk_that_does_not_fit_is_refused() -> None:
    [file] = read_diff(diff(NEW))
    with pytest.raises(AnswerIsNo, match=r"fs/small.c: the change at line \d+ does not fit"):
        patched(FILE.replace("twice(int x)", "twice(long x)"), file)


@pytest.mark.parametrize("text", ["", "hello\n", "--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n a\n"])
def test_what_is_no_diff_is_refused(text: str) -> None:
    with pytest.raises(AnswerIsNo):
        read_diff(text)


def test_a_diff_without_hunks_is_refused() -> None:
    with pytest.raises(
        AnswerIsNo, match="a.c: the diff has no hunks [(]lines beginning with @@[)]"
    ):
        read_diff("--- a/fs/a.c\n+++ b/fs/a.c\n")


def test_comments_and_blanks_change_nothing() -> None:
    found = changes(FILE.replace("/* comment */", "/* another */ ").replace("2 * x", "2  *  x"))
    assert (found.changed, found.added, found.removed) == ((), (), ())
    assert found.functions() == ()


def test_functions_that_use_a_changed_macro_are_changed() -> None:
    direct = changes(FILE.replace("return twice", "return LIMIT + twice"))
    assert direct.functions() == ("helper",)
    old = FILE.replace("return twice", "return LIMIT + twice")
    assert changes(old.replace("(BASE + 1)", "(BASE + 2)"), old).functions() == ("helper",)


TWICE = "int a(void)\n{\n\tcall();\n\treturn 0;\n}\n\nint b(void)\n{\n\tcall();\n\treturn 0;\n}\n"
ONCE = TWICE.replace("call();", "other();", 1)
HUNK = (
    "--- a/f.c\n+++ b/f.c\n@@ -{at},2 +{at},3 @@{heading}\n \tcall();\n+\tmore();\n \treturn 0;\n"
)


@pytest.mark.parametrize(
    ("at", "heading", "after"),
    [(3, "", "a"), (9, "", "b"), (9, " int b(void)", "b"), (30, " int a(void)", "a")],
)
def test_a_hunk_that_fits_twice_has_its_line_or_its_function(
    at: int, heading: str, after: str
) -> None:
    [file] = read_diff(HUNK.format(at=at, heading=heading))
    made = patched(TWICE, file)
    assert made.partition("int b")[after == "b" and 2 or 0].count("more();") == 1


@pytest.mark.parametrize("heading", ["", " int c(void)"])
def test_a_hunk_that_fits_twice_is_not_guessed(heading: str) -> None:
    [file] = read_diff(HUNK.format(at=30, heading=heading))
    with pytest.raises(AnswerIsNo, match="at line 30.* fits .* at lines 3, 9"):
        patched(TWICE, file)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (TWICE, "3, 9"),
        (TWICE.replace("call();", "other();", 1), "9"),  # int a(void) is another one here
        (TWICE.replace("call();", "other();", 1).replace("a(void)", "a(long)"), "9"),
    ],
)
def test_a_hunk_is_not_put_into_another_function_than_its_heading_names(
    text: str, lines: str
) -> None:
    [file] = read_diff(HUNK.format(at=9, heading=" int a(void)"))
    with pytest.raises(AnswerIsNo, match=rf'line 9, headed "int a.void.", fits .* lines {lines}$'):
        patched(text, file)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("int b(void)", "int b(int more, void *old)"),  # changed between the two series
        ("int b(void)", "int renamed(void)"),
        ("\tcall();\n\treturn 0;\n}\n\nint b", "\treturn 0;\n}\n\nint b"),
        ("{\n", "{\nagain:\n"),  # a label heads nothing
    ],
)
def test_a_heading_may_be_older_than_the_function(old: str, new: str) -> None:
    text = (TWICE if "int b(void)" not in old else ONCE).replace(old, new)
    at = text[: text.index("\tcall();", text.index("\nint ", 2))].count("\n") + 1
    [file] = read_diff(HUNK.format(at=at, heading=" int b(void)"))
    assert patched(text, file).partition("more();")[0].count("call();") == text.count("call();")


def test_a_heading_is_that_of_the_file_before_the_diff() -> None:
    [file] = read_diff(
        "--- a/f.c\n+++ b/f.c\n@@ -7,2 +7,2 @@ int a(void)\n-int b(void)\n+int renamed(void)\n {\n"
        "@@ -9,2 +9,3 @@ int b(void)\n \tcall();\n+\tmore();\n \treturn 0;\n"
    )
    head, below = patched(TWICE, file).split("int renamed(void)\n")
    assert "more();" in below and "more();" not in head


def test_a_hunk_below_the_function_of_its_heading_is_not_of_it() -> None:
    text = "int z(void)\n{\n}\n\nint a(void)\n{\n}\n\nint count;\n"
    [file] = read_diff(
        "--- a/f.c\n+++ b/f.c\n@@ -7,3 +7,3 @@ int z(void)\n }\n \n-int count;\n+int counts;\n"
    )
    assert "int counts;" in patched(text, file)


def test_a_hunk_without_lines_around_it_is_refused() -> None:
    [file] = read_diff("--- a/f.c\n+++ b/f.c\n@@ -3,0 +4 @@\n+\tmore();\n")
    with pytest.raises(AnswerIsNo, match="no lines around it"):
        patched(TWICE, file)


def test_what_is_no_diff_writes_nothing_to_a_terminal() -> None:
    text = "--- a/f.c\n+++ b/f.c\n@@ -1,9 +1,9 @@\n-int a;\n\x1b[31m\n"
    with pytest.raises(AnswerIsNo, match=r"not a unified diff: .*: \\x1b\[31m$"):
        read_diff(text)
