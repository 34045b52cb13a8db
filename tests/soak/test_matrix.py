# SPDX-License-Identifier: MIT
"""tests/guest/test_loads.py at length, in a guest of its own, with each patch that a mode bears; by
hand: invoke soak matrix. Also with full preemption, where a thread can be switched out anywhere."""

import sys

import pytest

from lppack.model import Kernel
from tests.loads.driver import LOADS
from tests.loads.matrix import MODES_BY_NAME, run

#: Of each mode and patch, over all loads.
FLIPS = 200


@pytest.mark.guest
@pytest.mark.parametrize("words", [(), ("preempt=full",)], ids=["voluntary", "full"])
def test_the_matrix(kernel: Kernel, words: tuple[str, ...]) -> None:
    _, found = run(
        kernel,
        flips=-(-FLIPS // len(LOADS) // 2) * 2,
        loads=list(LOADS),
        modes=list(MODES_BY_NAME),
        words=words,
        say=lambda line: print(line, file=sys.stderr, flush=True),  # noqa: T201
    )
    assert found == []
