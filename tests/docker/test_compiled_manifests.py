# SPDX-License-Identifier: MIT
"""Manifests that nobody wrote, and that validate accepts, give modules that compile."""

from pathlib import Path

import pytest

from tests.kit.compiled import compile_drawn

pytestmark = pytest.mark.docker

COUNT = 50  # tests/soak compiles 200


def test_accepted_manifests_compile(tmp_path: Path) -> None:
    assert len(compile_drawn(tmp_path, COUNT)) == COUNT


def test_one_that_does_not_compile_is_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="a_fault_in_c"):
        compile_drawn(tmp_path, 1, spoil="int a_fault_in_c(void) { return nothing; }\n")
