# SPDX-License-Identifier: MIT
"""An enum that the change makes of a header's stands beside the one of the kernel's headers."""

import pytest

from lppack.csource.changes import Changes, compare
from lppack.csource.items import Item
from lppack.csource.parse import parse
from lppack.drafting.authored import differences
from lppack.drafting.enums import perhaps_of_another_type, written_anew
from lppack.drafting.extract import extract
from lppack.drafting.headers import Private
from lppack.drafting.places import Target
from lppack.drafting.text import c_text
from lppack.drafting.wired import wired_of
from tests.unit.drafting.small import WHOLE

OLD = "enum access {\n\tREAD,\n\tWRITE = SHIFT + 1,\n};\n"
NEW = OLD.replace("{\n", "{\n\tNONE,\n")
FILE = '#include "small.h"\nint show(enum access how)\n{\n\treturn how == WRITE;\n}\n'


def first(text: str) -> Item:
    return parse("fs/small.h", text).items[0]


def test_its_constants_lead_to_others() -> None:
    made = written_anew(first(NEW))
    assert made is not None
    assert [item.text for item in made] == [
        "enum lp_access {\n\tlp_NONE,\n\tlp_READ,\n\tlp_WRITE = SHIFT + 1,\n};",
        "#define NONE (+lp_NONE)",
        "#define READ (+lp_READ)",
        "#define WRITE (+lp_WRITE)",
    ]
    assert made[0].uses == {"SHIFT"}
    assert [text[1] for item in made[1:] for text in item.spots] == [
        "lp_NONE",
        "lp_READ",
        "lp_WRITE",
    ]


def test_one_without_a_tag_has_constants_of_no_type() -> None:
    made = written_anew(first("enum { OFF, ON = OFF + 2 };\n"))
    assert made is not None
    assert [item.text for item in made] == [
        "enum { lp_OFF, lp_ON = lp_OFF + 2 };",
        "#define OFF lp_OFF",
        "#define ON lp_ON",
    ]


@pytest.mark.parametrize(
    "text", ["typedef enum { A, B } letters;\n", "struct thing { int count; };\n", "#define A 1\n"]
)
def test_what_is_no_enum_alone_stays(text: str) -> None:
    assert written_anew(first(text)) is None


def drafted(new: str = NEW) -> str:
    unit = compare(parse("fs/small.c", FILE), parse("fs/small.c", FILE))
    item = first(new)
    made = extract(unit, {"show": "lp_show"}, WHOLE, dict.fromkeys(item.names, item))
    return c_text(made, "/* head */", Private(made, lambda _path: None), wired_of(made, WHOLE))


def told(text: str) -> list[str]:
    def files(path: str) -> Changes | None:
        old, new = {"fs/small.c": (FILE, FILE), "fs/small.h": (OLD, NEW)}[path]
        return compare(parse(path, old), parse(path, new))

    target = Target(name="show", path="fs/small.c", object="vmlinux", sympos=None, covers=())
    return [*differences({"small.c": text}, [(target, "lp_show")], files, ["fs/small.h"], ())]


def test_a_draft_has_it_once_and_the_proof_knows_it() -> None:
    text = drafted()
    assert text.count("enum lp_access {") == 1
    assert "#undef WRITE\n#define WRITE (+lp_WRITE)\n" in text
    assert text.index("lp_WRITE = SHIFT") < text.index("#define WRITE") < text.index("lp_show")
    assert not told(text)
    assert told(drafted(OLD)) == [
        "enum lp_access in small.c is not what the change makes of enum access"
    ]
    assert told(text.replace("(+lp_WRITE)", "(+lp_READ)"))


TYPES = [
    ("READ", "NONE, READ", ""),
    ("READ", "READ, LAST = READ + 0x7fffffff", ""),
    ("READ", "READ = 1 << 30, WRITE = BIT(4) /* - */", ""),
    ("READ = SHIFT + 1", "READ = SHIFT + 1, MORE", ""),
    ("READ = -1", "READ = -1, WRITE = -2", ""),
    ("READ = 'a'", "READ = 'a', WRITE = 'b'", ""),
    ("READ", "READ, NONE = -1", "-"),
    ("READ = -1", "READ", "-"),
    ("READ", "READ = ~0", "~"),
    ("READ", "READ = 1 << 31", "<<"),
    ("READ", "READ = BIT(31)", "BIT"),
    ("READ", "READ = 0x80000000UL", "0x80000000UL"),
    ("READ", "READ = 0777, WRITE = 0b11u", ""),
    ("READ", "READ = 040000000000", "040000000000"),
    ("READ", "READ = 0xgg", "0xgg"),
    ("READ", "READ = SHIFT", "SHIFT"),
]


@pytest.mark.parametrize(("old", "new", "why"), TYPES, ids=[one[1] for one in TYPES])
def test_a_type_that_may_be_signed_or_wide_is_a_doubt(old: str, new: str, why: str) -> None:
    """In the patch, a variable of that type has the old one: less than 0 it never is."""

    def told(path: str, tag: str = "access") -> list[str]:
        texts = [f"enum {tag} {{ {constants} }};\n" for constants in (old, new)]
        return [*perhaps_of_another_type([compare(*(parse(path, text) for text in texts))])]

    found = told("include/small.h")
    assert [f"({why})" in text for text in found] == ([True] if why else [])
    assert not told("fs/small.c")
    assert not told("include/small.h", tag="")
