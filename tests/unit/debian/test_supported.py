# SPDX-License-Identifier: MIT
"""The table of supported kernels: what must hold of it."""

import re

import pytest

from lppack.debian.supported import (
    BESIDE,
    FLAVOURS,
    KERNEL_SUITES,
    RELEASES,
    SUPPORTED,
    Supported,
    releases_of,
)
from lppack.rules.target import matches


def test_releases_are_in_order_and_each_has_its_number() -> None:
    numbers = [int(one.number) for one in RELEASES.values()]
    assert numbers == sorted(set(numbers))
    compilers = [int(one.compiler.removeprefix("gcc-")) for one in RELEASES.values()]
    assert compilers == sorted(compilers), "a later release has no older compiler"


def test_a_suite_beside_a_release_is_beside_one_that_is_known() -> None:
    assert set(BESIDE.values()) <= {*RELEASES, "sid"}
    assert not set(BESIDE) & set(RELEASES)


def test_each_suite_is_searched_once() -> None:
    assert len(set(KERNEL_SUITES)) == len(KERNEL_SUITES)
    assert set(KERNEL_SUITES) <= {*RELEASES, *BESIDE}


def test_series_are_in_order_and_named_once() -> None:
    series = [tuple(map(int, one.series.split("."))) for one in SUPPORTED]
    assert series == sorted(set(series))


@pytest.mark.parametrize("one", SUPPORTED, ids=lambda one: one.series)
def test_its_patterns_are_of_its_series_and_of_each_flavour(one: Supported) -> None:
    for pattern in one.releases:
        assert pattern.count("{}") == 1 and pattern.startswith(f"{one.series}.")
    for flavour in FLAVOURS:
        release = one.pattern(flavour).replace("*", "99")
        assert release.endswith(f"-{flavour}")
        assert matches(one.pattern(flavour), release)
        found = re.search(r"[+]deb(\d+)", release)
        assert found is None or found[1] in {each.number for each in RELEASES.values()}


def test_the_flavours_are_told_apart() -> None:
    default = SUPPORTED[0].pattern()
    assert not any(
        matches(default, SUPPORTED[0].pattern(f).replace("*", "9")) for f in FLAVOURS[1:]
    )


def test_releases_of_a_series() -> None:
    assert releases_of() == "6.1.0-*-amd64"
    assert releases_of("6.12", "rt-amd64") == "6.12.*+deb13-rt-amd64"
    with pytest.raises(KeyError):
        releases_of("5.10")
