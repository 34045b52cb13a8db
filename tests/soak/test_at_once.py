# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from tests.kit.at_once import round_of

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("seed", range(20))
def test_eight_commands_at_once_on_one_empty_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    round_of(monkeypatch, tmp_path, count=8, killed=2, seed=seed)
