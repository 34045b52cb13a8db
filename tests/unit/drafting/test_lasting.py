# SPDX-License-Identifier: MIT
"""Data that lives on where a change defines it elsewhere, or by another name."""

from dataclasses import replace

import pytest

from lppack.csource.changes import compare
from lppack.csource.parse import parse
from lppack.drafting.account import Fate, account, left_out_of_objects
from lppack.drafting.carry import CarryRequest, carry
from lppack.drafting.edit import Edit
from lppack.drafting.extract import extract
from lppack.drafting.lasting import moved_data, perhaps_another, perhaps_renamed
from lppack.drafting.places import Places, Target
from lppack.proof.affected import Affected
from lppack.proof.compare import UnitDifference
from lppack.proof.match import Matched
from lppack.proof.objects import Data, Function
from lppack.proof.prover import Comparison
from tests.kit.c_sample import FILE
from tests.kit.fake_facts import FakeFacts, symbol
from tests.unit.drafting.code import difference, function, variable
from tests.unit.drafting.small import WHOLE, changes, places_of


def compared(*units: UnitDifference) -> Comparison:
    return Comparison(
        affected=Affected(paths=(), names=()),
        units=units,
        not_built=(),
        built_apart=(),
        too_many=False,
    )


def other(unit: UnitDifference, object_: str = "vmlinux") -> UnitDifference:
    return replace(unit, unit=replace(unit.unit, path="fs/other.c", objects=(object_,)))


def becomes(comparison: Comparison) -> tuple[Fate, str]:
    """Return what becomes of `total`, which the change takes out of fs/small.c."""
    text = "static int total;\n\nint show(int x)\n{\n\treturn x;\n}\n"
    path = "fs/small.c"
    without = text.replace("static int total;\n\n", "")
    edit = Edit(
        changes=(compare(parse(path, text), parse(path, without)),),
        subject="",
        files={path: (text.encode(), without.encode())},
        text=b"",
    )
    line = account(edit, comparison, (), (), ())[0]
    assert line.what == "total"
    return line.fate, line.why


def test_a_variable_that_another_file_of_the_object_defines_now() -> None:
    gone = difference([variable("total"), variable("old")], [])
    comes = difference([], [variable("total"), variable("new")])
    there = {("fs/other.c", "vmlinux", "total"): "fs/small.c"}
    assert moved_data(compared(gone, other(comes))) == there
    assert not moved_data(compared(gone, other(comes, "loop")))
    assert not moved_data(compared(gone))
    broken = replace(gone, after=None, error="error: x")
    assert not moved_data(compared(broken, other(comes)))


TOTAL = replace(variable("total", contents=b"\1" * 4), static=False)
LIVES: list[tuple[str, Data, bool]] = [
    ("the same", TOTAL, True),
    ("for this file alone", replace(TOTAL, static=True), True),
    ("read mostly", replace(TOTAL, section=".data..read_mostly"), True),
    ("of another size", replace(TOTAL, size=8, key=b"\1" * 8), False),
    ("of another size, without contents", replace(TOTAL, size=8), False),
    ("with other contents", replace(TOTAL, key=b"\2" * 4), False),
    ("const", replace(TOTAL, writable=False, section=".rodata.total"), False),
    ("const after the start", replace(TOTAL, section=".data..ro_after_init"), False),
    ("one of each processor", replace(TOTAL, section=".data..percpu"), False),
    ("without contents", replace(TOTAL, section=".bss.total"), False),
    ("gone after the start", replace(TOTAL, section=".init.data"), False),
]
STAYS = "it is data with other contents, and the kernel's own stays"


@pytest.mark.parametrize(("new", "same"), [one[1:] for one in LIVES], ids=[o[0] for o in LIVES])
def test_only_what_is_as_it_was_is_the_kernels_own(new: Data, same: bool) -> None:
    for old, now in ((TOTAL, new), (new, TOTAL)):
        found = compared(difference([old], []), other(difference([], [now])))
        assert bool(moved_data(found)) is same
        why = "it is the kernel's own, which another file defines" if same else STAYS
        fate = Fate.CARRIED if same else Fate.LEFT_OUT
        assert becomes(found) == (fate, why)


def test_of_what_a_macro_defines_no_line_speaks() -> None:
    for new, count in ((TOTAL, 0), (replace(TOTAL, size=8), 1)):
        found = compared(difference([TOTAL], []), other(difference([], [new])))
        assert len([*left_out_of_objects(found, (), ())]) == count


def test_what_nobody_writes_to_is_copied() -> None:
    table = replace(TOTAL, writable=False, section=".rodata.total")
    found = compared(difference([table], []), other(difference([], [table])))
    assert not moved_data(found)
    assert becomes(found)[0] is Fate.CARRIED
    found = compared(
        difference([table], []), other(difference([], [replace(table, key=b"\2" * 4)]))
    )
    assert becomes(found) == (Fate.LEFT_OUT, STAYS)


def test_of_several_files_none_is_taken() -> None:
    gone, comes = difference([TOTAL], []), other(difference([], [TOTAL]))
    third = other(difference([], [replace(TOTAL, static=True)]))
    third = replace(third, unit=replace(third.unit, path="fs/third.c"))
    assert not moved_data(compared(gone, comes, third))
    assert becomes(compared(gone, comes, third))[0] is Fate.LEFT_OUT
    had = other(difference([TOTAL], [TOTAL, variable("more")]))
    had = replace(had, unit=replace(had.unit, path="fs/third.c"))
    assert moved_data(compared(gone, comes, had)).keys() == {("fs/other.c", "vmlinux", "total")}


def test_what_is_static_in_both_files_may_be_another_variable() -> None:
    static = replace(TOTAL, static=True)
    for old, new, count in ((static, static, 1), (static, TOTAL, 0), (TOTAL, static, 0)):
        found = compared(difference([old], []), other(difference([], [new])))
        assert len([*perhaps_another(found)]) == count


def test_a_variable_of_another_file_is_not_defined_anew() -> None:
    edit = changes(FILE.replace("twice(t->count)", "total + twice(t->count)") + "int total;\n")
    there = places_of(data=("total",))
    found = [
        extract(edit, {"helper": "lp_helper"}, WHOLE, {}, moved=moved)
        for moved in ({}, {"total": there})
    ]
    assert ["total" in made.symbols for made in found] == [False, True]
    assert [any("total is new" in note for note in made.notes) for made in found] == [True, False]
    assert found[1].sizes["total"] == 1


USES = "{}int {name}(int x)\n{{\n\treturn x + {what};\n}}\n"


def test_each_file_has_its_own_of_that_name() -> None:
    """One that moved is that of the file which had it, and the static one of a third file stays its
    own: also where the kernel has several of that name."""
    old = {
        "fs/small.c": USES.format("static int total;\n", name="add", what="total"),
        "fs/other.c": USES.format("", name="show", what="1"),
        "fs/third.c": USES.format("static int total;\n", name="count", what="total"),
    }
    new = {
        "fs/small.c": USES.format("", name="add", what="1"),
        "fs/other.c": USES.format("int total;\n", name="show", what="total"),
        "fs/third.c": USES.format("static int total;\n", name="count", what="-total"),
    }
    static, less = replace(TOTAL, static=True), b"\x91"
    code: dict[str, tuple[list[Function | Data], list[Function | Data]]] = {
        "fs/small.c": ([function("add", "total"), static], [function("add", code=less)]),
        "fs/other.c": ([function("show")], [function("show", "total"), TOTAL]),
        "fs/third.c": (
            [function("count", "total"), static],
            [function("count", "total", code=less), static],
        ),
    }
    units = [
        replace(unit, unit=replace(unit.unit, path=path))
        for path, (was, now) in code.items()
        for unit in [difference(was, now)]
    ]
    of = {"add": 3, "count": 2}  # the first is of a file that no part of the change is about
    totals = {at: symbol("total", at) for at in (1, 2, 3)}
    facts = FakeFacts({"vmlinux": [*totals.values(), *map(symbol, ("add", "show", "count"))]})
    places = {
        (unit.unit.path, "vmlinux"): Places(
            facts,
            "vmlinux",
            unit.before,
            {
                name: Matched(
                    name=name,
                    symbol=symbol(name),
                    why="",
                    leads={"total": totals[of[name]].address},
                )
                for name in of.keys() & unit.before.functions
            },
        )
        for unit in units
        if unit.before
    }
    targets = [
        Target(name=name, path=path, object="vmlinux", sympos=None, covers=(name,))
        for name, path in (("show", "fs/other.c"), ("count", "fs/third.c"))
    ]
    made = carry(
        Edit(changes=(), subject="", files={}, text=b""),
        lambda path: compare(parse(path, old[path]), parse(path, new[path])),
        targets,
        places,
        facts,
        {},
        compared(*units),
        CarryRequest(),
    )
    assert {one.path: [how["sympos"] for _, _, how in one.listed] for one in made} == {
        "fs/other.c": [3],
        "fs/third.c": [2],
    }


def renamed(old: Data, new: Data) -> list[str]:
    return [*perhaps_renamed(compared(difference([old], [new])))]


ZEROS = b"\0" * 4


def test_what_may_be_one_variable_under_two_names() -> None:
    old = variable("total", contents=ZEROS)
    [doubt] = renamed(old, variable("sum", contents=ZEROS))
    assert doubt.startswith("total of fs/small.c is gone, and new: sum of fs/small.c: if it is")
    assert renamed(old, replace(variable("sum", contents=b"\0" * 8), static=False))
    assert renamed(variable("__total", contents=ZEROS), variable("__keymap", contents=ZEROS))
    assert not renamed(old, replace(variable("sum", contents=ZEROS), writable=False))
    assert not renamed(old, replace(variable("sum", contents=ZEROS), section=".init.data"))


@pytest.mark.parametrize("name", ["__key", "__key#1", "__UNIQUE_ID_x", "__param_x", "_rs#0", ".x"])
def test_what_macros_and_the_compiler_make_is_no_variable_under_another_name(name: str) -> None:
    made, total = variable(name, contents=ZEROS), variable("total", contents=ZEROS)
    assert not renamed(total, made)
    assert not renamed(made, total)


def test_what_may_be_one_variable_under_another_name_in_another_file() -> None:
    gone = difference([variable("total", contents=ZEROS)], [])
    comes = other(difference([], [variable("sum", contents=ZEROS)]))
    [doubt] = perhaps_renamed(compared(gone, comes))
    assert "new: sum of fs/other.c: " in doubt
    large = other(difference([], [variable("sum", contents=b"\0" * 8)]))
    apart = replace(comes, unit=replace(comes.unit, objects=("loop",)))
    broken = replace(gone, after=None, error="error: x")
    for units in ((gone, large), (gone, apart), (gone,), (broken, comes)):
        assert not [*perhaps_renamed(compared(*units))]


def test_what_moved_is_no_variable_under_another_name() -> None:
    gone = difference([TOTAL, variable("used", contents=ZEROS)], [])
    comes = other(difference([], [TOTAL]))
    assert not [*perhaps_renamed(compared(gone, comes))]
    more = difference([TOTAL], [variable("sum", contents=ZEROS)])
    assert not [*perhaps_renamed(compared(more, comes))]


def test_of_many_that_are_new_three_are_named() -> None:
    old, new = variable("total", contents=ZEROS), [variable(name) for name in "abcde"]
    [doubt] = perhaps_renamed(compared(difference([old], new)))
    assert "new: a of fs/small.c, b of fs/small.c, c of fs/small.c and 2 more: " in doubt


def test_a_variable_of_a_new_file_whose_object_code_is_not_known() -> None:
    gone = compared(difference([TOTAL], []))
    for text, count in (
        ("int total;", 1),
        ("static const int x = 1;", 0),
        ("extern int total;", 0),
    ):
        assert len([*perhaps_renamed(gone, [parse("fs/new.c", f"{text}\n")])]) == count


def test_a_variable_that_is_gone_is_carried_and_one_that_moved_is_the_kernels() -> None:
    unit = difference([function("show"), variable("total")], [function("show")])
    comes = other(difference([], [variable("total")]))
    for comparison, why in (
        (compared(unit), "nothing that is replaced uses it"),
        (compared(unit, comes), "it is the kernel's own, which another file defines"),
    ):
        assert becomes(comparison) == (Fate.CARRIED, why)
