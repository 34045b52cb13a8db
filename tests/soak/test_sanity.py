# SPDX-License-Identifier: MIT
"""Every test of `ansible-test sanity`; tests/fleet/test_collection.py has those that need less.

Each of ansible-test's environments is made anew, with packages that pip fetches.
"""

from pathlib import Path

import pytest

from tests.kit.sanity import sanity


@pytest.mark.slow
def test_the_collection_is_sane(tmp_path: Path) -> None:
    done = sanity(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
