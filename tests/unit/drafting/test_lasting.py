# SPDX-License-Identifier: MIT
"""Data that lives on where a change defines it elsewhere, or by another name."""

from dataclasses import replace

from lppack.csource.changes import compare
from lppack.csource.parse import parse
from lppack.drafting.account import Fate, account
from lppack.drafting.edit import Edit
from lppack.drafting.extract import extract
from lppack.drafting.lasting import moved_data, perhaps_renamed
from lppack.proof.affected import Affected
from lppack.proof.compare import UnitDifference
from lppack.proof.objects import Data
from lppack.proof.prover import Comparison
from tests.kit.c_sample import FILE
from tests.unit.drafting.code import difference, function, variable
from tests.unit.drafting.small import WHOLE, changes


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


def test_a_variable_that_another_file_of_the_object_defines_now() -> None:
    gone = difference([variable("total"), variable("old")], [])
    comes = difference([], [variable("total"), variable("new")])
    assert moved_data(compared(gone, other(comes))) == {"total"}
    assert moved_data(compared(gone, other(comes, "loop"))) == set()
    assert moved_data(compared(gone)) == set()


def test_a_variable_of_another_file_is_not_defined_anew() -> None:
    edit = changes(FILE.replace("twice(t->count)", "total + twice(t->count)") + "int total;\n")
    found = [extract(edit, {"helper": "lp_helper"}, WHOLE, {}, moved=m) for m in ((), ("total",))]
    assert ["total" in made.symbols for made in found] == [False, True]
    assert [any("total is new" in note for note in made.notes) for made in found] == [True, False]


def renamed(old: Data, new: Data) -> list[str]:
    return [*perhaps_renamed(compared(difference([old], [new])))]


def test_what_may_be_one_variable_under_two_names() -> None:
    old = variable("total", contents=b"\0" * 4)
    [doubt] = renamed(old, variable("sum", contents=b"\0" * 4))
    assert doubt.startswith("total of fs/small.c is gone, and sum is new and as large")
    assert not renamed(old, variable("sum", contents=b"\0" * 8))
    assert not renamed(old, replace(variable("sum", contents=b"\0" * 4), writable=False))
    assert not renamed(old, variable("__key", contents=b"\0" * 4))


def test_a_variable_that_is_gone_is_carried_and_one_that_moved_is_the_kernels() -> None:
    text = "static int total;\n\nint show(int x)\n{\n\treturn x;\n}\n"
    path = "fs/small.c"
    without = text.replace("static int total;\n\n", "")
    edit = Edit(
        changes=(compare(parse(path, text), parse(path, without)),),
        subject="",
        files={path: (text.encode(), without.encode())},
        text=b"",
    )
    unit = difference([function("show"), variable("total")], [function("show")])
    comes = other(difference([], [variable("total")]))
    for comparison, why in (
        (compared(unit), "nothing that is replaced uses it"),
        (compared(unit, comes), "it is the kernel's own, which another file defines"),
    ):
        line = account(edit, comparison, (), (), ())[0]
        assert (line.what, line.fate, line.why) == ("total", Fate.CARRIED, why)
