# SPDX-License-Identifier: MIT
"""tests/unit/rules/test_generated.py and tests/docker/test_compiled_manifests.py at length."""

from pathlib import Path

import pytest

from tests.kit.compiled import compile_drawn
from tests.kit.generated import try_manifests

EXAMPLES = 20_000
COMPILED = 200


def test_generated_and_mutated_manifests(tmp_path: Path) -> None:
    try_manifests(tmp_path, EXAMPLES)


@pytest.mark.docker
def test_accepted_manifests_compile(tmp_path: Path) -> None:
    assert len(compile_drawn(tmp_path, COMPILED)) == COMPILED
