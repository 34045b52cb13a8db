# SPDX-License-Identifier: MIT
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack.hosts import far_side, ssh
from lppack.hosts.ssh import SshHost, connect
from tests.kit.fake_ssh import FAKE, HONEST, Behave


@pytest.fixture
def behave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Behave:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(FAKE)
    (folder / "ssh").chmod(0o755)
    (folder / "setup").write_text(far_side.SETUP)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(ssh, "_GRACE", 1.0)

    def set_to(script: str) -> None:
        (folder / "behave").write_text(script + "\n")

    set_to(HONEST)
    return set_to


@pytest.fixture
def host(behave: Behave) -> Iterator[SshHost]:
    with connect("root@web1:22", root=False) as made:
        made.limit = 2.0
        yield made
