# SPDX-License-Identifier: MIT
"""Of a change, some functions are taken, and what new they use."""

import pytest

from lppack.csource.only import only
from lppack.errors import AnswerIsNo

OLD = """\
#include <linux/kernel.h>

#define BASE 3

static int f(int a)
{
	return a;
}

SYSCALL_DEFINE1(two, int, a)
{
	return f(a);
}
EXPORT_SYMBOL(f)

static int g(int a)
{
	return f(a);
}
"""


def taken(new: str, *functions: str, old: str = OLD) -> str:
    return only("fs/a.c", old, new, functions)


def test_one_function_is_taken_and_no_other() -> None:
    new = OLD.replace("return a;", "return a + 1;").replace("return f(a);", "return -f(a);")
    assert taken(new, "f") == OLD.replace("return a;", "return a + 1;")
    assert taken(new, "f", "g", "__do_sys_two") == new


def test_a_system_call_is_taken_as_a_whole() -> None:
    new = OLD.replace("SYSCALL_DEFINE1(two, int, a)\n{\n\t", "SYSCALL_DEFINE1(two, long, a)\n{\n\t")
    assert taken(new, "__do_sys_two") == new


def test_what_new_it_uses_is_taken_too() -> None:
    new = (
        OLD.replace("\n\treturn f(a);\n}\n", "\n\treturn f(a + MORE) + count;\n}\n")
        .replace("#define BASE 3\n", "#define BASE 3\n#define MORE (LEAST + 7)\n#define LEAST 1\n")
        .replace("static int f(", "#define STRAY 8\nstatic int stray, count;\n\nstatic int f(")
        .replace("kernel.h>\n", "kernel.h>\n#include <linux/more.h>\n")
    )
    assert taken(new, "g") == (
        OLD.replace("kernel.h>\n", "kernel.h>\n#include <linux/more.h>\n")
        .replace(
            "static int f(",
            "#define MORE (LEAST + 7)\n\n#define LEAST 1\n\nstatic int stray, count;\n\n"
            "static int f(",
        )
        .replace("g(int a)\n{\n\treturn f(a);", "g(int a)\n{\n\treturn f(a + MORE) + count;")
    )


def test_what_was_there_before_stays_as_it_was() -> None:
    new = OLD.replace("BASE 3", "BASE 4").replace("return a;", "return a + BASE;")
    assert taken(new, "f") == OLD.replace("return a;", "return a + BASE;")


@pytest.mark.parametrize(
    "new",
    [
        OLD.replace("f(a);\n}\nEXPORT", "-f(a);\n}\nEXPORT"),
        OLD.replace("return a;", "return /* the same */  a;"),
    ],
)
def test_a_function_that_is_the_same_in_both_is_refused(new: str) -> None:
    with pytest.raises(AnswerIsNo, match=r"f is the same in both versions of fs/a\.c"):
        taken(new, "f")


def test_a_function_that_is_missing_is_refused() -> None:
    new = OLD.replace("return a;", "return a + 1;")
    with pytest.raises(AnswerIsNo, match=r"fs/a\.c has no function nothing") as caught:
        taken(new, "f", "nothing")
    assert caught.value.hint is None


def test_what_a_misspelt_function_may_mean_is_said() -> None:
    with pytest.raises(AnswerIsNo, match=r"fs/a\.c has no function __do_sys_tow") as caught:
        taken(OLD.replace("return a;", "return a + 1;"), "__do_sys_tow")
    assert str(caught.value.hint).startswith("did you mean __do_sys_two or ")
