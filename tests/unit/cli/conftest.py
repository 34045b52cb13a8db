# SPDX-License-Identifier: MIT
"""A bundle, and a state and cache of the test's own: the simulated host is new for each."""

from pathlib import Path

import pytest

from lppack.stages import trust
from tests.kit.bundles import made


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setattr(trust, "POLICY", home / "no-such-policy")
    return home


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return made(tmp_path / "in", tmp_path)
