# SPDX-License-Identifier: MIT
"""tests/guest/test_fixes.py with all of examples/fixes."""

import pytest

from tests.guest.test_fixes import FIXES, all_steps_are_right

NAMES = sorted(path.parent.name for path in FIXES.glob("*/manifest.yaml"))


@pytest.mark.guest
@pytest.mark.parametrize("name", NAMES)
def test_each_fix_comes_and_goes(name: str) -> None:
    all_steps_are_right(name)
