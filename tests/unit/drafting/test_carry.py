# SPDX-License-Identifier: MIT
"""Data that the built patch has by the name of the kernel's own is told."""

from dataclasses import replace

from lppack.csource.changes import Changes, compare
from lppack.csource.parse import parse
from lppack.drafting.account import left_out_of_objects
from lppack.drafting.carry import own_data
from lppack.proof.affected import Affected
from lppack.proof.objects import Data, Function
from lppack.proof.prover import Comparison
from tests.unit.drafting.code import difference, function, variable

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
