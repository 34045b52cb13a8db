# SPDX-License-Identifier: MIT
"""A diff as a change of the kernel's own sources, and kernels that have it already."""

import difflib

import pytest

from lppack.drafting.edit import BYTES, Edit
from lppack.drafting.from_diff import of_diff
from lppack.errors import AnswerIsNo, HasItAlready
from tests.kit.fake_facts import CONFIG
from tests.unit.drafting.versions import AFTER, BEFORE, PATH


def diff(before: str, after: str, path: str = PATH, context: int = 3) -> str:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    names = ("/dev/null" if not before else f"a/{path}", "/dev/null" if not after else f"b/{path}")
    return "".join(difflib.unified_diff(old, new, *names, n=context))


def drafted(text: str, **files: str) -> Edit:
    tree = {f"fs/{name}.c": content.encode(BYTES) for name, content in files.items()}
    return of_diff(text, tree.get, CONFIG)


def test_a_kernel_that_lacks_it_gets_it() -> None:
    assert drafted(diff(BEFORE, AFTER), a=BEFORE).files[PATH][1] == AFTER.encode()


def test_a_kernel_that_has_it_is_not_patched() -> None:
    moved = f"/* more\n * lines\n */\n{AFTER}"
    for there in (AFTER, moved):
        with pytest.raises(HasItAlready, match="have this change already: nothing to patch") as no:
            drafted(diff(BEFORE, AFTER), a=there)
        assert no.value.exit_code == 9


def test_all_files_of_it_must_have_it() -> None:
    both = diff(BEFORE, AFTER) + diff(BEFORE, AFTER, "fs/b.c")
    with pytest.raises(AnswerIsNo, match="does not fit") as no:
        drafted(both, a=AFTER, b=BEFORE)
    assert not isinstance(no.value, HasItAlready)
    with pytest.raises(HasItAlready):
        drafted(both, a=AFTER, b=AFTER)


def test_a_half_of_it_is_not_all_of_it() -> None:
    half = BEFORE.replace("\t\treturn 1;", "\t\treturn 2;")
    with pytest.raises(AnswerIsNo, match="does not fit") as no:
        drafted(diff(BEFORE, AFTER), a=half)
    assert not isinstance(no.value, HasItAlready)
    assert "seems to have it" not in str(no.value.hint)


def test_a_series_that_changes_one_file_twice() -> None:
    last = AFTER.replace("return 2;", "return 3;")
    series = diff(BEFORE, AFTER) + diff(AFTER, last)
    assert drafted(series, a=BEFORE).files[PATH][1] == last.encode()
    with pytest.raises(HasItAlready):
        drafted(series, a=last)


def test_a_file_that_it_removes_and_one_that_it_adds() -> None:
    text = diff(BEFORE, AFTER) + diff("int gone;\n", "", "fs/old.c")
    with pytest.raises(HasItAlready):
        drafted(text, a=AFTER)
    with pytest.raises(AnswerIsNo, match="does not fit"):
        drafted(text, a=AFTER, old="int gone;\n")
    text = diff(BEFORE, AFTER) + diff("", "int fresh;\n", "fs/new.c")
    with pytest.raises(HasItAlready):
        drafted(text, a=AFTER, new="int fresh;\n")
    with pytest.raises(AnswerIsNo, match="does not fit"):
        drafted(text, a=AFTER, new="int other;\n")


def test_in_other_surroundings_it_is_for_a_person() -> None:
    there = AFTER.replace("\treturn x;", "\tfirst_seen(x);\n\treturn x;")
    with pytest.raises(AnswerIsNo, match="does not fit") as no:
        drafted(diff(BEFORE, AFTER), a=there)
    assert str(no.value.hint).startswith("this kernel seems to have it, in another context")


@pytest.mark.parametrize(
    ("head", "author"),
    [
        (
            "From 0123456789ab Mon Sep 17 00:00:00 2001\nFrom: Jo Doe <jo@example.org>\n",
            "Jo Doe <jo@example.org>",
        ),
        ("From: =?UTF-8?q?J=C3=B6?= <j@example.org>\n", "J\u00f6 <j@example.org>"),
        ("From: J\u00c3\u00b6 <j@example.org>\n", "J\u00f6 <j@example.org>"),
        ("Subject: x\n", None),
        ("From: \x1b[1m\n", "[1m"),
    ],
)
def test_the_author_is_that_of_the_diff(head: str, author: str | None) -> None:
    assert drafted(head + "\n" + diff(BEFORE, AFTER), a=BEFORE).author == author
    body = "\n".join(["", "---", "", diff(BEFORE, AFTER)])
    assert drafted(body + "\nFrom: nobody\n", a=BEFORE).author is None


SOURCES = {"kernel/a.c": b"int a;\n", "kernel/a.h": b"int b;\n"}
HUNK = "@@ -1 +1 @@\n-int a;\n+long a;\n"
PICTURE = "diff --git a/{0} b/{0}\nnew file mode 100644\nBinary files /dev/null and b/{0} differ\n"


@pytest.mark.parametrize(
    "names",
    [
        "--- a/kernel/a.c\n+++ b/kernel/a.c\n",
        "--- linux-6.1.orig/kernel/a.c\t2026-01-01\n+++ linux-6.1/kernel/a.c\t2026-01-02\n",
        "--- a/kernel/a.c.orig\n+++ a/kernel/a.c\n",
        "--- a/kernel/a.c\n+++ a/kernel/a.c.new\n",
        "--- kernel/a.c\n+++ kernel/a.c\n",  # as with patch -p0
        PICTURE.format("Documentation/a.png") + "--- a/kernel/a.c\n+++ b/kernel/a.c\n",
    ],
)
def test_the_file_that_a_diff_means(names: str) -> None:
    assert list(of_diff(names + HUNK, SOURCES.get, CONFIG).files) == ["kernel/a.c"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--- a/kernel/a.c\n+++ b/kernel/a.h\n" + HUNK, "the diff renames kernel/a.c"),
        (
            "diff --git a/kernel/a.c b/kernel/b.c\nsimilarity index 100%\n"
            "rename from kernel/a.c\nrename to kernel/b.c\n",
            "the diff only renames kernel/a.c",
        ),
        (
            "diff --git a/kernel/a.c b/kernel/a.c\nold mode 100644\nnew mode 100755\n",
            "no more than the mode of kernel/a.c",
        ),
        ("--- a/kernel/a.c\n+++ b/kernel/a.c\n@@@ -1,1 -1,1 +1,1 @@@\n", "a diff of a merge"),
        (PICTURE.format("kernel/a.bin"), "the diff changes the binary file kernel/a.bin"),
        ("--- a.c\n+++ a.c\n" + HUNK, "has no folder"),
        (PICTURE.format("Documentation/a.png"), "nothing to patch: no code of the kernel is"),
        (PICTURE.format("samples/a.bin") + PICTURE.format("tools/perf/b.bin"), "no code of the"),
    ],
)
def test_a_file_that_no_draft_follows(text: str, said: str) -> None:
    with pytest.raises(AnswerIsNo, match=said) as no:
        of_diff(text, SOURCES.get, CONFIG)
    assert not isinstance(no.value, HasItAlready)
    assert no.value.hint


MOVED = (
    "diff --git a/kernel/a.c b/kernel/{new}\nsimilarity index 90%\n"
    "{how} from kernel/a.c\n{how} to kernel/{new}\n--- a/kernel/a.c\n+++ b/kernel/{new}\n"
)


def test_a_file_that_is_renamed_is_changed_where_it_is_and_a_copy_is_a_new_file() -> None:
    here, after = b"one\ntwo\nthree\n", b"one\n2\nthree\n"
    hunk = "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"

    def files(how: str, old: str, new: str) -> object:
        text = (MOVED.format(how=how, new=new) + hunk).replace("a.c", old)
        return of_diff(text, {f"kernel/{old}": here}.get, CONFIG).files

    assert files("rename", "a.c", "b.c") == {"kernel/a.c": (here, after)}
    assert files("copy", "a.c", "b.c") == {"kernel/b.c": (None, after)}
    assert files("rename", "a.h", "b.h") == {
        "kernel/a.h": (here, None),
        "kernel/b.h": (None, after),
    }


def test_what_is_renamed_may_be_changed_again_under_its_new_name() -> None:
    first = MOVED.format(how="rename", new="b.c") + "@@ -1,2 +1,2 @@\n one\n-two\n+2\n"
    then = "--- a/kernel/b.c\n+++ b/kernel/b.c\n@@ -1,2 +1,2 @@\n-one\n+1\n 2\n"
    made = of_diff(first + then, {"kernel/a.c": b"one\ntwo\n"}.get, CONFIG)
    assert made.files == {"kernel/a.c": (b"one\ntwo\n", b"1\n2\n")}
    assert made.renamed == {"kernel/b.c": "kernel/a.c"}


def test_a_file_that_it_adds_is_none_of_the_kernels() -> None:
    text = diff("", "int a;\n", "fs/new.c")
    assert drafted(text).files == {"fs/new.c": (None, b"int a;\n")}
    assert drafted(text, new="").files == {"fs/new.c": (b"", b"int a;\n")}
    with pytest.raises(HasItAlready):
        drafted(text, new="int a;\n")
    for there in ("int b;\n", "int a;\nint b;\n"):
        with pytest.raises(AnswerIsNo, match=r"^the diff adds fs/new\.c, which the sources") as no:
            drafted(text, new=there)
        assert not isinstance(no.value, HasItAlready)
        assert str(no.value.hint).startswith("give the diff as it was backported")
    with pytest.raises(AnswerIsNo, match=r"^the diff adds fs/new\.c, which the sources"):
        drafted(diff(BEFORE, AFTER) + text, a=BEFORE, new="int a;\n")
    page = diff("", "a\n", "Documentation/a.rst")
    tree = {PATH: BEFORE.encode(), "Documentation/a.rst": b"b\n"}
    assert PATH in of_diff(page + diff(BEFORE, AFTER), tree.get, CONFIG).files


@pytest.mark.parametrize("how", ["rename", "copy"])
@pytest.mark.parametrize("new", ["b.c", "b.h"])
def test_nor_is_one_that_is_renamed_or_copied(how: str, new: str) -> None:
    text = MOVED.format(how=how, new=new) + HUNK
    assert of_diff(text, SOURCES.get, CONFIG).files
    with pytest.raises(AnswerIsNo, match=rf"^the diff adds kernel/{new}, which the sources"):
        of_diff(text, {**SOURCES, f"kernel/{new}": b"int c;\n"}.get, CONFIG)


def test_a_series_may_remove_a_file_and_add_it_again() -> None:
    series = diff("int a;\n", "", PATH) + diff("", "int b;\n", PATH)
    assert drafted(series, a="int a;\n").files == {PATH: (b"int a;\n", b"int b;\n")}


# -- what is no path of the sources


@pytest.mark.parametrize("path", ["../sibling.c", "fs/../../sibling.c", "$(touch x)/a.c", "/x/a.c"])
@pytest.mark.parametrize(
    "text",
    [
        "--- /dev/null\n+++ b/{0}\n@@ -0,0 +1 @@\n+int a;\n",
        "--- a/{0}\n+++ /dev/null\n@@ -1 +0,0 @@\n-int a;\n",
        "--- a/{0}\n+++ b/{0}\n" + HUNK,
        "--- a/kernel/a.c\n+++ b/{0}\n" + HUNK,
        "--- a/{0}\n+++ b/kernel/a.c\n" + HUNK,
        PICTURE,
        "diff --git a/{0} b/{0}\nold mode 100644\nnew mode 100755\n",
        "--- a/{0}\n+++ b/{0}\n@@@ -1,1 -1,1 +1,1 @@@\n",
        *(
            f"diff --git a/kernel/a.c b/kernel/b.c\nsimilarity index 90%\n{how} from {names}\n"
            f"--- a/kernel/a.c\n+++ b/kernel/b.c\n{HUNK}"
            for how in ("rename", "copy")
            for names in (f"kernel/a.c\n{how} to {{0}}", f"{{0}}\n{how} to kernel/b.c")
        ),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused_before_anything_is_read(
    text: str, path: str
) -> None:
    def read(path: str) -> bytes | None:
        pytest.fail(f"{path} is read")

    first = "--- a/kernel/a.c\n+++ b/kernel/a.c\n" + HUNK
    for whole in (text.format(path), first + text.format(path)):
        with pytest.raises(AnswerIsNo, match="which is no path of the kernel's sources") as no:
            of_diff(whole, read, CONFIG)
        assert not isinstance(no.value, HasItAlready)
        assert path in no.value.message


def test_what_is_all_of_a_path_is_refused_as_well() -> None:
    there = {"../linux/a.c": b"int a;\n"}
    with pytest.raises(AnswerIsNo, match=r"names '\.\./linux/a\.c'"):
        of_diff("--- ../linux/a.c\n+++ ../linux/a.c\n" + HUNK, there.get, CONFIG)
