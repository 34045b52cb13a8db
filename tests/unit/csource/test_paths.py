# SPDX-License-Identifier: MIT
"""Which paths a file of the kernel's sources can have."""

import pytest

from lppack.csource.paths import check_path
from lppack.errors import AnswerIsNo


@pytest.mark.parametrize(
    "path",
    [
        "fs/proc/base.c",
        "Kbuild",
        ".mailmap",
        "drivers/..a/b..c/.x",
        "Documentation/devicetree/bindings/a,b.yaml",
        "tools/memory-model/litmus-tests/Z6.0+pooncerelease+poacquire.litmus",
        "a/" * 119 + "bc",
    ],
)
def test_a_path_of_the_sources(path: str) -> None:
    check_path(path, "the diff")


@pytest.mark.parametrize(
    "path",
    [
        *("", ".", "..", "/", "../x.c", "fs/../x.c", "fs/..", "./x.c", "fs/./x.c", "fs/."),
        *("/etc/x", "fs//x.c", "fs/", "a/" * 119 + "bcd"),
        *("$(touch x)/a.c", "fs/$(shell touch x)/a.c", "fs/`touch x`/a.c", "fs/a b.c", "fs/a;b.c"),
        *("fs/a\n.c", "fs/a.c\n", "fs/a\0.c", "fs/\x1b[1m.c", "fs/\xe9.c", "fs/a\\b.c", "~/a.c"),
        *('"a/b.c"', "fs/*/a.c", "fs/a'b.c", "fs/a#b.c", "fs/a%b.c", "fs/a:b.c", "fs/a|b.c"),
    ],
)
def test_what_is_none(path: str) -> None:
    with pytest.raises(AnswerIsNo, match=r"^the diff names ['\"].*no path of the kernel's") as no:
        check_path(path, "the diff")
    assert no.value.message.isprintable()
    assert str(no.value.hint).startswith("a path has letters, digits and ")
