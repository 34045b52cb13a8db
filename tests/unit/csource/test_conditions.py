# SPDX-License-Identifier: MIT
"""Which branches of #if a configuration decides, and which are for the compiler."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lppack.csource.conditions import decided

#: CONFIG_Y is built in, CONFIG_M a module, CONFIG_N off; of U nothing is known.
KNOWN = {"Y": True, "Y_MODULE": False, "M": False, "M_MODULE": True, "N": False, "N_MODULE": False}


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("0", False),
        ("1", True),
        ("defined(Y)", True),
        ("defined Y", True),
        ("defined ( N )", False),
        ("defined(U)", None),
        ("defined(M)", False),  # CONFIG_M_MODULE is
        ("defined(M_MODULE)", True),
        ("IS_ENABLED(Y)", True),
        ("IS_ENABLED(M)", True),
        ("IS_ENABLED(N)", False),
        ("IS_ENABLED(U)", None),
        ("IS_BUILTIN(M)", False),
        ("IS_BUILTIN(Y)", True),
        ("IS_MODULE(M)", True),
        ("IS_MODULE(Y)", False),
        ("IS_REACHABLE(Y)", True),
        ("IS_REACHABLE(N)", False),
        ("IS_REACHABLE(M)", None),  # from a module it is, from vmlinux it is not
        ("!defined(Y)", False),
        ("!defined(U)", None),
        ("!!1", True),
        ("defined(U) && 0", False),
        ("0 && defined(U)", False),
        ("defined(U) || 1", True),
        ("defined(U) || 0", None),
        ("1 || 0 && 0", True),
        ("(1 || 0) && 0", False),
        ("((1))", True),
        ("defined(Y) && !(defined(N) || defined(M))", True),
    ],
)
def test_a_condition(condition: str, value: bool | None) -> None:
    assert decided(condition, KNOWN.get) is value


@pytest.mark.parametrize(
    "condition",
    [
        *("", "(", ")", "()", "1 1", "1 &&", "&& 1", "!", "(1", "1)", "1 || ", "defined"),
        *("2", "10", "0x1", "1UL", "Y", "Y > 1", "Y == 1", "1 + 1", "1 ? 0 : 1", "1 != 0"),
        *("defined()", "defined(Y", "IS_ENABLED(Y) == 1", "__has_include(<x.h>)", "1 & 1"),
    ],
)
def test_what_is_no_question_of_the_configuration_is_left_to_the_compiler(condition: str) -> None:
    assert decided(condition, KNOWN.get) is None


@st.composite
def conditions(draw: st.DrawFn) -> tuple[str, bool]:
    """A condition, and what C says of it."""
    names = st.sampled_from(
        [("defined(Y)", True), ("defined(N)", False), ("1", True), ("0", False)]
    )
    text, value = draw(names)
    for _ in range(draw(st.integers(0, 4))):
        match draw(st.integers(0, 2)):
            case 0:
                text, value = f"!({text})", not value
            case 1:
                other, holds = draw(names)
                text, value = f"({text}) && {other}", value and holds
            case _:
                other, holds = draw(names)
                text, value = f"{other} || ({text})", value or holds
    return text, value


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(conditions())
def test_it_is_decided_as_c_decides_it(made: tuple[str, bool]) -> None:
    text, value = made
    assert decided(text, KNOWN.get) is value
