# SPDX-License-Identifier: MIT
"""Killed before each step, on both engines; tests/soak/test_faults.py also kills after each."""

from collections.abc import Iterator

import pytest

from tests.kit.fault_points import COMMANDS, ENGINES, Operator, built, check, started

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def guest_with_target() -> Iterator[None]:
    with started():
        yield


@pytest.fixture(scope="module", params=ENGINES)
def operator(
    request: pytest.FixtureRequest,
    guest_with_target: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Operator:
    bundle = built(request.param, tmp_path_factory.mktemp("bundle"))
    return Operator(bundle, request.param)


@pytest.mark.parametrize("command", COMMANDS)
def test_killed_before_each_step(operator: Operator, command: str) -> None:
    rows = 0
    for row in operator.walk(command, after=False):
        check(row)
        rows += 1
    assert rows > 3
