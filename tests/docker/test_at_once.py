# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from tests.kit.at_once import round_of

pytestmark = pytest.mark.docker


def test_commands_at_once_on_one_empty_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    round_of(monkeypatch, tmp_path, count=6, killed=1, seed=0)
