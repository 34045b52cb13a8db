# SPDX-License-Identifier: MIT
"""The guest tests of the glue, on the debug kernel: the same stories, watched more closely."""

from lppack.stages.apply import Control
from tests.guest.rounds import run_rounds
from tests.guest.target import Target
from tests.guest.test_conn_limit import *  # noqa: F403
from tests.guest.test_cumulative import *  # noqa: F403
from tests.guest.test_hooks import *  # noqa: F403
from tests.guest.test_ticks import *  # noqa: F403


def test_ten_rounds_under_load(control: Control, target: Target) -> None:
    assert run_rounds(control, target, 10) > 10
