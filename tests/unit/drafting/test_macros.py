# SPDX-License-Identifier: MIT
"""Macros that a change of a header removes, or has in other branches."""

import pytest

from lppack.csource.changes import Changes
from lppack.drafting.extract import extract
from lppack.drafting.headers import Private
from lppack.drafting.macros import altered, undefined
from lppack.drafting.text import c_text
from lppack.drafting.wired import wired_of
from tests.kit.c_sample import FILE
from tests.unit.drafting.small import WHOLE, changes

PATH = "fs/small.h"
HEAD = "#ifndef _SMALL_H\n#define _SMALL_H\n#include <linux/x.h>\n{}\n#endif\n"


def header(old: str, new: str, path: str = PATH) -> Changes:
    return changes(HEAD.format(new), HEAD.format(old), path)


@pytest.mark.parametrize(
    ("old", "new", "gone"),
    [
        ("#define FLOW 1", "", ["FLOW"]),
        ("#define FLOW 1\n#define MORE(x) x", "#define MORE(x) x", ["FLOW"]),
        ("#define FLOW 1", "#define FLOW 2", []),  # is written anew where it is used
        ("#define FLOW 1", "enum { FLOW = 1 };", ["FLOW"]),
        ("#define FLOW 1", "#ifdef A\n#define FLOW 1\n#endif", ["FLOW"]),
        (
            "#ifdef A\n#define FLOW 1\n#else\n#define FLOW 2\n#endif",
            "#ifdef A\n#define FLOW 1\n#endif",
            ["FLOW"],
        ),
        ("int x;", "#undef FLOW\nint x;", ["FLOW"]),
        ("#ifndef FLOW\n#define FLOW\n#endif", "", ["FLOW"]),
        ("", "#define FLOW 1", []),
    ],
)
def test_what_a_header_no_longer_defines_is_undefined(old: str, new: str, gone: list[str]) -> None:
    assert undefined([header(old, new), changes("#define OWN 1\n", "")]) == tuple(gone)


def test_a_macro_that_moves_and_the_name_of_a_guard_stay() -> None:
    other = "fs/other.h"
    moved = [header("#define FLOW 1", ""), header("", "#define FLOW 1", other)]
    assert undefined(moved) == ()
    assert undefined([header("#define FLOW 1", ""), header("", "#define FLOW 2", other)]) == (
        "FLOW",
    )
    renamed = changes(HEAD.replace("_SMALL_H", "SMALL_H"), HEAD, PATH)
    assert undefined([renamed]) == ()
    assert undefined([changes("#define OWN 1\n", "#define OTHER 1\n")]) == ()


def test_a_macro_has_all_of_its_branches() -> None:
    both = "#ifdef A\n#define FLOW {}\n#else\n#define FLOW OFF\n#endif"
    [item] = altered(header(both.format(1), both.format("ON")))
    assert item.text == (
        "#if defined(A)\n#define FLOW ON\n#endif\n#if !(defined(A))\n#define FLOW OFF\n#endif"
    )
    assert item.conditions == () and item.uses >= {"A", "ON", "OFF"}
    assert [item.text[at : at + len(name)] for at, name in item.spots] == [n for _, n in item.spots]
    [item] = altered(header("#define FLOW 1", "#ifdef A\n#define FLOW 1\n#endif"))
    assert item.conditions == ("#if defined(A)",)
    assert not list(altered(header("#define FLOW 1", "")))


def test_it_is_undefined_behind_the_headers_and_before_what_is_fresh() -> None:
    edit = changes(FILE.replace("2 * x", "FLOW"))
    of = [header("#define FLOW 1\n#define GONE 1", "#ifdef A\n#define FLOW 1\n#endif")]
    fresh = {item.name: item for one in of for item in altered(one)}
    made = extract(edit, {"helper": "lp_helper"}, WHOLE, fresh)
    private, wired = Private(made, lambda _path: None), wired_of(made, WHOLE)
    text = c_text(made, "/* */", private, wired, undefined=undefined(of))
    found = [
        text.index(part)
        for part in (
            "#include <trace",
            "#undef FLOW\n#undef GONE\n",
            "#if defined(A)\n#undef FLOW\n#define FLOW 1\n#endif",
            "lp_helper",
        )
    ]
    assert found == sorted(found)
