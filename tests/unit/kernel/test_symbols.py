# SPDX-License-Identifier: MIT
"""What the kernel would say to a livepatch of a function, by the symbols of its name."""

from collections.abc import Sequence

import pytest

from lppack.kernel.symbols import Symbol, SymbolVerdict, is_clone, verdict
from tests.kit.fake_facts import symbol

V = SymbolVerdict
GOOD, BAD = symbol("f"), symbol("f", traceable=False)
SECOND, INIT = symbol("f", 2), symbol("f", init=True)


@pytest.mark.parametrize(
    ("copies", "clones", "sympos", "said"),
    [
        ([GOOD], [], None, V.PATCHABLE),
        ([GOOD], [], 0, V.PATCHABLE),  # as struct klp_func has it: none was given
        ([GOOD], [], 1, V.PATCHABLE),
        ([GOOD], [], 2, V.MISSING),
        ([GOOD, SECOND], [], None, V.AMBIGUOUS),
        ([GOOD, SECOND], [], 0, V.AMBIGUOUS),
        ([GOOD, SECOND], [], 2, V.PATCHABLE),
        ([GOOD, SECOND], [], 3, V.MISSING),
        ([SECOND, GOOD], [], 1, V.PATCHABLE),  # whatever their order is
        ([BAD], [], None, V.UNTRACEABLE),
        ([BAD, SECOND], [], 2, V.PATCHABLE),
        ([INIT], [], None, V.INIT),
        ([], [], None, V.MISSING),
        ([], ["f.isra.0"], None, V.CLONE_ONLY),
        ([GOOD], ["f.isra.0"], None, V.PATCHABLE),
    ],
)
def test_whether_it_can_be_replaced(
    copies: Sequence[Symbol], clones: Sequence[str], sympos: int | None, said: SymbolVerdict
) -> None:
    assert verdict(copies, clones, sympos) is said


def test_what_is_freed_comes_before_what_cannot_be_traced() -> None:
    assert verdict([symbol("f", traceable=False, init=True)], [], None) is V.INIT


@pytest.mark.parametrize(
    "name",
    [
        *("f.isra.0", "f.constprop.12", "f.part.0", "f.cold", "f.cold.3", "f.part.0.isra.0"),
        *("f.isra.0.constprop.1", "f.llvm.123456", "f.localalias", "f.lto_priv.0"),
    ],
)
def test_copies_that_the_compiler_has_changed(name: str) -> None:
    assert is_clone(name, "f")


@pytest.mark.parametrize("name", ["f", "f.", "f.0", "f.c", "fo.isra.0", "f_isra.0", "f.isra.0x"])
def test_other_names_are_none(name: str) -> None:
    assert not is_clone(name, "f")
