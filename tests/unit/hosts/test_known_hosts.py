# SPDX-License-Identifier: MIT
"""A real sshd: who is let in, and which host is believed to be itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack.errors import EnvironmentMissing, LostHost
from lppack.hosts.ssh import connect
from tests.kit.sshd import Sshd, serve

pytestmark = pytest.mark.slow


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    with serve(tmp_path) as made:
        monkeypatch.setenv("PATH", made.environment()["PATH"])
        yield made


def refusal(sshd: Sshd) -> str:
    with pytest.raises(EnvironmentMissing) as caught, connect(sshd.address, root=False):
        pass
    assert "ssh -o BatchMode=yes" in str(caught.value.hint)
    return caught.value.message


def test_a_host_that_is_not_known_is_not_spoken_to(sshd: Sshd) -> None:
    with connect(sshd.address, root=False) as host:  # the control
        assert host.read("/proc/sys/kernel/ostype") == "Linux\n"
    (sshd.folder / "known_hosts").write_text("")
    assert "Host key verification failed" in refusal(sshd)
    assert (sshd.folder / "known_hosts").read_text() == "", "and is not made known"


def test_a_host_with_another_key_is_not_spoken_to(sshd: Sshd) -> None:
    other = (sshd.folder / "user.pub").read_text()
    (sshd.folder / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {other}")
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in refusal(sshd)


def test_who_has_no_key_is_asked_for_nothing(sshd: Sshd) -> None:
    (sshd.folder / "user.pub").write_text("")
    assert "Permission denied" in refusal(sshd)


def test_a_connection_that_is_cut_is_not_made_anew(sshd: Sshd) -> None:
    with connect(sshd.address, root=False) as host:
        assert host.run(["true"], limit=10).rc == 0
        sshd.cut()
        for _ in range(2):
            with pytest.raises(LostHost):
                host.run(["true"], limit=10)
