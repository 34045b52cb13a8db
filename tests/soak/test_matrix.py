# SPDX-License-Identifier: MIT
"""tests/guest/test_loads.py at length, in a guest for each mode, with each patch that the mode
bears; by hand: invoke soak matrix. Also with full preemption, where a thread can be switched out
anywhere; on 7.2 and 7.3 the default is lazy, which is little less. A part of it: pytest
tests/soak/test_matrix.py -k "debian12-default-consistency"."""

import math
import sys

import pytest

from lppack.consistency import EngineName, Mode
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from tests.loads.driver import LOADS
from tests.loads.matrix import PLAIN, Setup, cells, patches_for, run

#: Of each engine in each mode, over all loads and patches.
FLIPS = 200


@pytest.mark.guest
@pytest.mark.parametrize(
    ("engine", "mode"), [pytest.param(*cell, id=f"{cell[0]}-{cell[1].name}") for cell in cells()]
)
@pytest.mark.parametrize("setup", [PLAIN, Setup(words=("preempt=full",))], ids=["default", "full"])
@pytest.mark.parametrize(
    "pattern",
    [releases_of(), releases_of("6.12"), releases_of("7.2"), releases_of("7.3")],
    ids=["debian12", "debian13", "backports72", "backports73"],
)
def test_the_matrix(pattern: str, setup: Setup, engine: EngineName, mode: Mode) -> None:
    count = len(LOADS) * len(patches_for(mode))
    _, found = run(
        resolve(None, (pattern,)),
        flips=math.ceil(FLIPS / count / 2) * 2,  # there and back
        loads=list(LOADS),
        modes=[mode.name],
        engines=[engine],
        setup=setup,
        say=lambda line: print(line, file=sys.stderr, flush=True),  # noqa: T201
    )
    assert found == []
