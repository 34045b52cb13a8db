# SPDX-License-Identifier: MIT
"""A layout that changes with a macro, a constant or a type is told, wherever the type stands."""

import pytest

from lppack.csource.changes import Changes, compare
from lppack.csource.parse import parse
from lppack.drafting.edit import Edit
from lppack.drafting.laid_out import laid_out
from lppack.proof.affected import Affected
from lppack.proof.prover import Comparison
from tests.unit.drafting.code import difference, function

HEADER = """\
#define MOST 4
#define ROOM (MOST + 1)
enum kind { ONE, TWO, KINDS };
typedef unsigned char byte_t;
typedef byte_t small_t;
struct slots { int slot[ROOM]; };
struct kinds { int of[KINDS]; };
struct state { small_t a; };
struct whole { struct state s; };
struct apart { struct state *s; byte_t *bytes; };
"""
OTHER = "struct own { long room[MOST]; };\nint f(struct own *own) { return MOST; }\n"


def told(old: str, new: str) -> set[str]:
    texts = {"a.h": (HEADER, HEADER.replace(old, new)), "b.c": (OTHER, OTHER)}
    assert texts["a.h"][0] != texts["a.h"][1]
    files = {
        path: compare(parse(path, was), parse(path, now)) for path, (was, now) in texts.items()
    }
    edit = Edit(
        changes=(files["a.h"],),
        subject="",
        files={"a.h": (HEADER.encode(), texts["a.h"][1].encode())},
        text=b"",
    )
    unit = difference([function("f", code=b"1")], [function("f", code=b"2")])
    comparison = Comparison(
        affected=Affected(paths=(unit.unit.path,), names=()),
        units=(unit,),
        not_built=(),
        built_apart=(),
        too_many=False,
    )

    def file(path: str) -> Changes | None:
        return files["b.c" if path == unit.unit.path else path]

    found = laid_out(edit, comparison, file)
    return {sentence.partition(" in ")[0].removeprefix("the layout of ") for sentence in found}


@pytest.mark.parametrize(
    ("old", "new", "types"),
    [
        ("MOST 4", "MOST 5", {"struct slots", "struct own"}),  # own is in a C file
        ("TWO,", "TWO, THREE,", {"struct kinds"}),
        # What a pointer leads to may have any layout.
        ("char byte_t", "short byte_t", {"struct state", "struct whole"}),
        ("KINDS };", "KINDS /* the last */ };", set()),
    ],
)
def test_what_the_layout_of_a_type_stands_on(old: str, new: str, types: set[str]) -> None:
    assert told(old, new) == types
