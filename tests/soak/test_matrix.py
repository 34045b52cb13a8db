# SPDX-License-Identifier: MIT
"""tests/guest/test_loads.py at length, in a guest for each mode, with each patch that the mode
bears; by hand: invoke soak matrix. Also with full preemption, where a thread can be switched out
anywhere. A part of it: pytest tests/soak/test_matrix.py -k "debian12 and voluntary and kgraft"."""

import sys

import pytest

from lppack.packages.kernels import resolve
from tests.loads.driver import LOADS
from tests.loads.matrix import MODES_BY_NAME, PLAIN, Setup, run

#: Of each mode and patch, over all loads.
FLIPS = 200


@pytest.mark.guest
@pytest.mark.parametrize("mode", MODES_BY_NAME)
@pytest.mark.parametrize(
    "setup", [PLAIN, Setup(words=("preempt=full",))], ids=["voluntary", "full"]
)
@pytest.mark.parametrize(
    "pattern", ["6.1.0-*-amd64", "6.12.*+deb13-amd64"], ids=["debian12", "debian13"]
)
def test_the_matrix(pattern: str, setup: Setup, mode: str) -> None:
    _, found = run(
        resolve(None, (pattern,)),
        flips=-(-FLIPS // len(LOADS) // 2) * 2,
        loads=list(LOADS),
        modes=[mode],
        setup=setup,
        say=lambda line: print(line, file=sys.stderr, flush=True),  # noqa: T201
    )
    assert found == []
