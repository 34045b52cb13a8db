# SPDX-License-Identifier: MIT
"""What is taken of a later version, and what is not."""

from collections.abc import Collection, Iterator, Mapping

import pytest

from lppack.drafting.edit import Edit, Headers, between, borrow, files_of
from lppack.errors import AnswerIsNo, HasItAlready
from tests.kit.fake_facts import CONFIG
from tests.unit.drafting.versions import AFTER, BEFORE, PATH

OLD = {"include/linux/a.h": "#define known(x) (x)\n"}


NEW = {
    "include/linux/a.h": """\
#ifndef A_H
#define A_H
#define known(x) (x)
#define fresh(x) helper(x)
static inline int helper(int x)
{
\treturn known(x);
}
struct later { int x; };
#define of_later(x) sizeof(struct later)
int elsewhere(int x);
#endif
"""
}


def searched(headers: Mapping[str, str]) -> Headers:
    def search(words: Collection[str]) -> Iterator[tuple[str, bytes]]:
        for path, text in headers.items():
            if any(word in text for word in words):
                yield path, text.encode()

    return search


def borrowed(*names: str) -> tuple[list[str], list[str]]:
    edit = Edit(changes=(), files={}, subject="", text=b"")
    made, cannot = borrow(edit, names, searched(OLD), searched(NEW), CONFIG)
    assert all(item.conditions == () for _, item in made.borrowed)
    return [item.name for _, item in made.borrowed], [no.why for no in cannot]


def test_a_macro_and_what_it_stands_on() -> None:
    assert borrowed("fresh") == (["helper", "fresh"], [])


def test_what_the_kernel_has_is_left() -> None:
    assert borrowed("known", "nowhere") == ([], [])


def test_what_comes_with_a_type_is_not_taken() -> None:
    found, [why] = borrowed("of_later")
    assert not found
    assert "came with include/linux/a.h of the later version, and uses struct later" in why


def test_a_function_of_another_file_is_not_taken() -> None:
    found, [why] = borrowed("elsewhere")
    assert not found
    assert "is neither a macro nor an inline function" in why


def test_between_two_versions_the_kernels_own_sources_are_asked() -> None:
    assert of_versions(BEFORE, "first").files
    more = AFTER + "\nint third;\n"
    for here, functions in ((AFTER, ("first",)), (more, ("first", "second")), (AFTER, ())):
        with pytest.raises(HasItAlready):
            of_versions(here, *functions)
    assert of_versions(more).files, "of the whole file, something differs"
    one = BEFORE.replace("return 1;", "return 2;")
    with pytest.raises(HasItAlready):
        of_versions(one, "second")
    assert of_versions(one, "first").files


def of_versions(here: str, *functions: str) -> Edit:
    def reader(text: str) -> Mapping[str, bytes]:
        return {PATH: text.encode()}

    old, new, own = reader(BEFORE), reader(AFTER), reader(here)
    return between(PATH, functions, old.get, new.get, CONFIG, own=own.get)


@pytest.mark.parametrize("path", ["../sibling.c", "./fs/a.c", "/x/fs/a.c"])
def test_a_path_between_two_versions_is_one_of_the_sources(path: str) -> None:
    with pytest.raises(AnswerIsNo, match="--path names '.*, which is no path of the kernel's"):
        between(path, (), {path: b"a"}.get, {path: b"b"}.get, CONFIG, own={path: b"a"}.get)


@pytest.mark.parametrize(
    ("header", "included"),
    [
        ("include/linux/new.h", "<linux/new.h>"),
        ("arch/x86/include/asm/new.h", "<asm/new.h>"),
        ("fs/new.h", '"new.h"'),
        ("fs/common/new.h", '"new.h"'),  # the Makefile has -I for that folder
    ],
)
def test_a_header_that_the_diff_adds_stands_for_its_include(header: str, included: str) -> None:
    text = f"#include {included}\n#include <linux/fs.h>\nint show(void);\n".encode()
    edit = Edit(
        changes=(),
        subject="",
        files={header: (None, b"#define FRESH 1\n"), "fs/a.c": (b"", text)},
        text=b"",
    )
    changes = files_of(edit, lambda _path: None, CONFIG)("fs/a.c")
    assert changes is not None
    assert "FRESH" in changes.after.by_name and "#include <linux/fs.h>" in changes.after.text


def test_a_header_beside_the_file_is_not_taken_for_one_that_the_diff_adds() -> None:
    files = {"fs/new.h": (None, b"#define FRESH 1\n"), "mm/a.c": (b"", b'#include "new.h"\n')}
    edit = Edit(changes=(), subject="", files=files, text=b"")
    changes = files_of(edit, {"mm/new.h": b"#define OLD 1\n"}.get, CONFIG)("mm/a.c")
    assert changes is not None and "FRESH" not in changes.after.by_name
