# SPDX-License-Identifier: MIT
"""A copy of a function: which file has it, and where its body begins."""

from collections.abc import Collection

import pytest

from lppack.drafting.copy import MARK, Similar, copy_of
from lppack.drafting.edit import BYTES, Edit
from lppack.errors import AnswerIsNo
from tests.kit.fake_facts import CONFIG

A = """\
#include "a.h"
int declared(int x);

static int name_show(struct device *d)
{
\treturn first(d);
}

SYSCALL_DEFINE2(close_it, unsigned int, fd, int, how)
{
\treturn name_show(NULL);
}
"""
B = "static int name_show(void) {\n\treturn 1;\n}\n"
TREE = {"fs/a.c": A, "fs/b.c": B, "fs/user.c": "int user(void)\n{\n\treturn declared(1);\n}\n"}


def none_similar(_name: str) -> tuple[str, ...]:
    return ()


def copied(*functions: str, path: str | None = None, similar: Similar = none_similar) -> Edit:
    def read(of: str) -> bytes | None:
        return TREE[of].encode(BYTES) if of in TREE else None

    def search(words: Collection[str]) -> list[str]:
        return sorted(of for of, text in TREE.items() if all(word in text for word in words))

    return copy_of(functions, path, read, search, CONFIG, similar)


def test_the_mark_is_the_only_change() -> None:
    edit = copied("user")
    [(path, (before, after))] = edit.files.items()
    assert path == "fs/user.c" and before is not None and after is not None
    assert after.decode() == TREE[path].replace("{", f"{{{MARK}")
    assert after.decode().replace(MARK, "") == before.decode()
    assert (edit.subject, edit.text) == ("change user", b"")


def test_several_functions_of_one_file() -> None:
    edit = copied("name_show", "__do_sys_close_it")
    assert [set(change.functions()) for change in edit.changes] == [
        {"name_show", "__do_sys_close_it"}
    ]


@pytest.mark.parametrize("name", ["__do_sys_close_it", "__x64_sys_close_it"])
def test_a_system_call_by_any_of_its_names(name: str) -> None:
    [(path, (_, after))] = copied(name).files.items()
    assert path == "fs/a.c" and after is not None and after.count(MARK.encode()) == 1


def test_where_several_files_have_it_one_is_named() -> None:
    with pytest.raises(AnswerIsNo, match=r"2 files define name_show: fs/a\.c, fs/b\.c") as caught:
        copied("name_show")
    assert caught.value.hint == "say which: --path fs/a.c"
    assert set(copied("name_show", path="fs/b.c").files) == {"fs/b.c"}


def test_a_declaration_and_a_call_are_no_definition() -> None:
    with pytest.raises(AnswerIsNo, match="no C file of this kernel's sources defines declared"):
        copied("declared")


def test_a_name_that_is_misspelt() -> None:
    with pytest.raises(AnswerIsNo, match=r"fs/b\.c has no function name_shwo") as caught:
        copied("name_shwo", path="fs/b.c")
    assert caught.value.hint == "did you mean name_show?"
    with pytest.raises(AnswerIsNo, match=r"have no fs/c\.c"):
        copied("name_show", path="fs/c.c")


def test_a_name_that_is_misspelt_and_no_file_given() -> None:
    asked: list[str] = []

    def similar(name: str) -> tuple[str, ...]:
        asked.append(name)
        return ("name_show", "name_store")

    with pytest.raises(AnswerIsNo, match="defines name_shwo") as caught:
        copied("name_shwo", similar=similar)
    assert caught.value.hint == "did you mean name_show or name_store?"
    assert asked == ["name_shwo"]


def test_a_path_is_one_of_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TREE, "fs/../../user.c", TREE["fs/user.c"])
    with pytest.raises(AnswerIsNo, match="--path names '.*, which is no path of the kernel's"):
        copied("user", path="fs/../../user.c")
