# SPDX-License-Identifier: MIT
"""tests/guest/test_loads.py at length, in a guest for each mode, with each patch that the mode
bears; by hand: invoke soak matrix. Also with full preemption, where a thread can be switched out
anywhere. A part of it: pytest tests/soak/test_matrix.py -k "debian12 and voluntary and kgraft"."""

import math
import sys

import pytest

from lppack.packages.kernels import resolve
from tests.loads.driver import LOADS
from tests.loads.matrix import MODES_BY_NAME, PLAIN, Setup, patches_for, run

#: Of each engine in each mode, over all loads and patches.
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
    cells = len(LOADS) * len(patches_for(MODES_BY_NAME[mode]))
    _, found = run(
        resolve(None, (pattern,)),
        flips=math.ceil(FLIPS / cells / 2) * 2,  # there and back
        loads=list(LOADS),
        modes=[mode],
        setup=setup,
        say=lambda line: print(line, file=sys.stderr, flush=True),  # noqa: T201
    )
    assert found == []
