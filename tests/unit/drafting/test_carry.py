# SPDX-License-Identifier: MIT
"""Data that the built patch has by the name of the kernel's own is told."""

from dataclasses import replace

import pytest

from lppack.csource.changes import Changes, compare
from lppack.csource.parse import parse
from lppack.drafting.account import left_out_of_objects
from lppack.drafting.carry import Carried, CarryRequest, carry, own_data
from lppack.drafting.edit import Edit
from lppack.drafting.extract import extract
from lppack.drafting.headers import Private
from lppack.drafting.places import Places, Target
from lppack.drafting.text import c_text
from lppack.drafting.wired import wired_of
from lppack.kernel.exports import Export
from lppack.proof.affected import Affected
from lppack.proof.objects import Data, Function
from lppack.proof.prover import Comparison
from tests.kit.fake_facts import FakeFacts, symbol
from tests.unit.drafting.code import difference, file_of, function, variable

TEXT = "DEFINE_CLASS(rt) = { 1 };\nstatic const int limits[] = { 1 };\nstatic int count;\n"


def files(_path: str) -> Changes:
    return compare(parse("a.c", TEXT), parse("a.c", TEXT))


def test_data_that_the_patch_defines_once_more() -> None:
    had: list[Function | Data] = [
        function("f"),
        variable("rt_class"),
        variable("count"),
        variable("other"),
    ]
    unit = difference(had, had)
    comparison = Comparison(
        affected=Affected(paths=(unit.unit.path,), names=()),
        units=(unit,),
        not_built=(),
        built_apart=(),
        too_many=False,
    )
    made = [("a.c", unit.unit.path, "vmlinux")]
    told = [*own_data(made, {"rt_class", "new_one"}, comparison, files)]
    assert told == [
        f"rt_class of {unit.unit.path} is defined once more in the patch, which does not see the "
        "kernel's own"
    ]
    assert len([*own_data(made, {"count"}, comparison, files)]) == 1
    assert not [*own_data(made, {"lp_f", "limits"}, comparison, files)]
    assert not [*own_data([], {"rt_class"}, comparison, files)]


def test_of_a_file_that_does_not_compile_nothing_else_is_told() -> None:
    whole = difference([variable("__setup_str")], [])
    for unit, count in ((whole, 1), (replace(whole, after=None, error="no"), 0)):
        comparison = Comparison(
            affected=Affected(paths=(unit.unit.path,), names=()),
            units=(unit,),
            not_built=(),
            built_apart=(),
            too_many=False,
        )
        assert len([*left_out_of_objects(comparison, (), ())]) == count


HEADER = "#define COUNT() (counts++)\n#define MARK 1\n"
USER = "#include <linux/count.h>\nstatic int {0}_show(int x)\n{{\n\tCOUNT();\n\treturn MARK;\n}}\n"


class Counting(FakeFacts):
    """Modules one and two, both with a use of what base exports."""

    def depends(self, module: object) -> frozenset[str]:
        return frozenset() if module == "base" else frozenset(["base"])

    def exported(self, name: str) -> Export | None:
        return (
            Export(name=name, gpl=True, module="base", namespace=None) if name == "counts" else None
        )


def test_a_symbol_that_a_macro_of_a_header_says_is_of_each_object_that_uses_it() -> None:
    """And has a name of its own in each, in C."""
    facts = Counting(
        {"one": [symbol("one_show")], "two": [symbol("two_show")], "base": [symbol("counts")]}
        | {"three": [symbol("three_show")], "vmlinux": []}
    )
    texts = {f"fs/{name}.c": USER.format(name) for name in ("one", "two", "three")}
    units = []
    for name in ("one", "two", "three"):
        uses = ["counts"] if name != "three" else []  # its configuration leaves the use out
        unit = difference(
            [function(f"{name}_show", *uses)], [function(f"{name}_show", *uses, code=b"\x91")], name
        )
        units.append(replace(unit, unit=replace(unit.unit, path=f"fs/{name}.c")))
    comparison = Comparison(
        affected=Affected(paths=tuple(texts), names=()),
        units=tuple(units),
        not_built=(),
        built_apart=(),
        too_many=False,
    )
    targets = [
        Target(name=f"{n}_show", path=f"fs/{n}.c", object=n, sympos=None, covers=(f"{n}_show",))
        for n in ("one", "two", "three")
    ]
    places = {
        (unit.unit.path, name): Places(facts, name, unit.before)
        for unit in units
        for name in unit.unit.objects
        if unit.before
    }

    def both(path: str) -> Changes | None:
        return compare(*2 * [parse(path, texts[path])]) if path in texts else None

    edit = Edit(changes=(), subject="", files={}, text=b"")
    wanted = CarryRequest(symbols=frozenset(["counts"]))
    made = carry(edit, both, targets, places, facts, {}, comparison, wanted)
    assert [(object_, name, how["as"]) for one in made for object_, name, how in one.listed] == [
        ("one", "counts", "lp_one_one_counts"),
        ("two", "counts", "lp_two_two_counts"),
    ]
    first = c_text(made[0].extract, "/* */", made[0].private, made[0].wired)
    assert (
        "extern typeof(counts) lp_one_one_counts;\n#undef counts\n#define counts lp_one_one_counts"
        in first
    )


STATIC = "static int {name}(int x)\n{{\n\tstatic int {data};\n\n\treturn {data} += x;\n}}\n"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("count", "total", ["count has static data of its own (total)"]),
        ("add", "total", ["count has static data of its own (total)"]),
        ("count", "sum", ["count has static data sum where it had total"]),
        ("add", "sum", []),
    ],
)
def test_static_data_of_a_function_under_the_same_and_other_names(
    name: str, data: str, said: list[str]
) -> None:
    """A function of another name with data of another name is a new one."""
    user = "int show(int x)\n{{\n\treturn {name}(x);\n}}\n"
    old = (STATIC + user).format(name="count", data="total")
    new = (STATIC + user).format(name=name, data=data)
    both = compare(parse("a.c", old), parse("a.c", new))
    here = Places(FakeFacts({"vmlinux": [symbol("show")]}), "vmlinux", file_of(function("show")))
    made = extract(both, {"show": "lp_show"}, here, {})
    wired = wired_of(made, here)
    private = Private(made, lambda _path: None)
    one = Carried(path="a.c", places=here, extract=made, private=private, wired=wired, symbols={})
    assert [text.partition(":")[0] for text in one.doubled(both.before)] == said


@pytest.mark.parametrize(
    ("before", "code", "own"),
    [
        (["find", "show"], b"\x90", True),  # the kernel's own serves
        (["show"], b"\x90", False),  # it was inlined
        (["find", "show"], b"\x91", False),  # it is another now
    ],
)
def test_a_function_that_was_static_and_that_another_file_calls(
    before: list[str], code: bytes, own: bool
) -> None:
    old = {
        "fs/a.c": "static int find(int x)\n{\n\treturn x;\n}\n"
        "int show(int x)\n{\n\treturn find(x);\n}\n",
        "fs/b.c": "int user(int x)\n{\n\treturn x;\n}\n",
    }
    new = {
        "fs/a.c": old["fs/a.c"].replace("static int", "int"),
        "fs/b.c": "int find(int x);\n" + old["fs/b.c"].replace("return x", "return find(x)"),
    }
    edits = {path: compare(parse(path, old[path]), parse(path, new[path])) for path in old}
    facts = FakeFacts({"vmlinux": [symbol(name) for name in (*before, "user")]})
    first = difference(
        [function(name) for name in before], [function("find", code=code), function("show")]
    )
    second = difference([function("user")], [function("user", "find", code=b"\x91")])
    units = tuple(
        replace(one, unit=replace(one.unit, path=path))
        for one, path in zip((first, second), old, strict=True)
    )
    comparison = Comparison(
        affected=Affected(paths=tuple(old), names=()),
        units=units,
        not_built=(),
        built_apart=(),
        too_many=False,
    )
    places = {
        (one.unit.path, "vmlinux"): Places(facts, "vmlinux", one.before)
        for one in units
        if one.before
    }
    edit = Edit(changes=tuple(edits.values()), files={}, subject="", text=b"")
    target = Target(name="user", path="fs/b.c", object="vmlinux", sympos=None, covers=("user",))
    wanted = CarryRequest(symbols=frozenset(["find"] * own))
    made = carry(edit, edits.get, [target], places, facts, {}, comparison, wanted)
    assert [one.path for one in made] == ["fs/b.c"] + ["fs/a.c"] * (not own)
    assert ("find" in made[0].symbols["vmlinux"]) is own
    assert made[0].extract.names.get("find") == (None if own else "lp_find")
