# SPDX-License-Identifier: MIT
"""What an object of a kernel has of one C file."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from lppack.drafting.places import Places, Target
from lppack.kernel.facts import SymbolVerdict
from lppack.kernel.symbols import Symbol
from lppack.proof.match import Matched
from lppack.proof.objects import Data, Function
from tests.kit.fake_facts import symbol
from tests.unit.drafting.code import file_of, function, variable
from tests.unit.drafting.small import (
    Small,
)


def test_a_variable_that_is_called_like_a_struct_is_told_apart() -> None:
    data = [replace(symbol(name), type="d") for name in ("thing", "other")]
    places = Places(Small(*data, module="small"), "small", file_of())
    code = Places(Small(symbol("thing"), module="small"), "small", file_of())
    assert not code.is_a_tag("thing", "small")
    assert places.is_a_tag("thing", "small") and not places.is_a_tag("thing", "vmlinux")
    assert not places.is_a_tag("other", "small")


def typed(name: str, type_: str, sympos: int = 1) -> Symbol:
    return replace(symbol(name, sympos), type=type_)


def matched(name: str, found: Symbol | None, **more: Any) -> dict[str, Matched]:
    return {name: Matched(name=name, symbol=found, **more)}


def placed(
    *symbols: Symbol,
    code: Sequence[Function | Data] = (),
    own: dict[str, Matched] | None = None,
    module: str | None = None,
) -> Places:
    return Places(Small(*symbols, module=module), module or "vmlinux", file_of(*code), own)


def test_the_symbol_is_that_of_the_files_own_code() -> None:
    first, second = symbol("f"), symbol("f", 2)
    code = [function("f")]
    found = placed(first, second, code=code, own=matched("f", second)).symbol("f")
    assert found == (SymbolVerdict.PATCHABLE, second)
    # Two of that name, and nothing says which one it is.
    assert placed(first, second, code=code).symbol("f") == (SymbolVerdict.AMBIGUOUS, None)
    # The kernel's is other code: its sources are not these.
    other = placed(first, code=code, own=matched("f", None, why="differs"))
    assert other.symbol("f") == (SymbolVerdict.AMBIGUOUS, None)
    assert placed(first, code=code).symbol("f") == (SymbolVerdict.PATCHABLE, first)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (function("f", traceable=False), SymbolVerdict.UNTRACEABLE),
        (function("f", section=".init.text"), SymbolVerdict.INIT),
        (function("f.isra.0"), SymbolVerdict.CLONE_ONLY),
        (function("other"), SymbolVerdict.MISSING),
        (variable("f"), SymbolVerdict.PATCHABLE),
    ],
)
def test_what_cannot_be_replaced_is_told_apart(
    code: Function | Data, verdict: SymbolVerdict
) -> None:
    assert placed(symbol("f"), code=[code]).symbol("f")[0] is verdict


def test_of_several_variables_it_is_the_one_to_which_the_files_functions_lead() -> None:
    first, second = symbol("table"), symbol("table", 2)
    code: list[Function | Data] = [function("f", "table"), variable("table")]
    own = matched("f", symbol("f"), leads={"table": second.address})
    places = placed(symbol("f"), first, second, code=code, own=own)
    assert places.symbol("table") == (SymbolVerdict.PATCHABLE, second)
    unclear = placed(symbol("f"), first, second, code=code)
    assert unclear.symbol("table") == (SymbolVerdict.AMBIGUOUS, None)


def test_a_weak_function_that_the_kernel_has_from_elsewhere() -> None:
    code = [function("f"), function("g")]
    own = matched("f", None, expected=True) | matched("g", symbol("g"))
    places = placed(symbol("f"), symbol("g"), code=code, own=own)
    assert places.overridden("f") and not places.overridden("g")
    assert not places.overridden("none")


@pytest.mark.parametrize(
    ("symbols", "position"),
    [
        ([], None),
        ([typed("f", "t")], None),  # the only one needs none
        ([typed("f", "t"), typed("f", "T", 2)], 2),  # a file may use that of another
        ([typed("f", "t"), typed("f", "t", 2)], 0),
        ([typed("f", "T"), typed("f", "T", 2)], 0),
    ],
)
def test_a_symbol_of_another_file_is_the_global_one(
    symbols: list[Symbol], position: int | None
) -> None:
    assert placed(*symbols).home("f") == ("vmlinux", position)


def test_the_module_itself_comes_before_vmlinux() -> None:
    assert placed(symbol("f"), module="small").home("f") == ("small", None)
    assert placed(symbol("f"), module="small").home("g") == ("vmlinux", None)


def test_a_name_of_which_there_are_several() -> None:
    places = placed(symbol("f"), symbol("f", 2), symbol("g"))
    assert places.several("f")
    assert not places.several("g") and not places.several("none")
    assert [one.sympos for one in places.copies("f")] == [1, 2]


def test_the_replacement_has_a_name_of_its_own() -> None:
    plain = Target(name="f", path="a.c", object="vmlinux", sympos=None, covers=("f",))
    assert plain.replacement == "lp_f"
    assert replace(plain, new="lp_a_f").replacement == "lp_a_f"
