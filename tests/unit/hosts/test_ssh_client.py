# SPDX-License-Identifier: MIT
"""The system's ssh: one connection for all requests, which ends with them."""

import subprocess
import time
from pathlib import Path

import pytest

from lppack import proc
from lppack.errors import EnvironmentMissing, LostHost
from lppack.hosts import ssh, ssh_client
from lppack.hosts.ssh import SshHost, connect
from tests.kit.fake_ssh import HONEST, Behave


def test_after_ctrl_c_in_an_answer_the_host_still_answers(
    host: SshHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apply goes back then, and must not read what is left of the answer before."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ssh_client, "_reply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            host.run(["head", "-c", "300000", "/dev/zero"], limit=5)
    assert host.read("/proc/sys/kernel/ostype") == "Linux\n"


def test_a_flood_after_the_begin_is_not_kept(
    host: SshHost, behave: Behave, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "_FILE", 1 << 20)
    monkeypatch.setattr(ssh_client, "_FLOOD", 4 << 20)
    with pytest.raises(LostHost, match="more than 4 MiB came for one request"):
        host.read("/dev/zero")


def test_endless_output_is_cut(host: SshHost) -> None:
    line = "yes | head -c 5000000; yes e | head -c 5000000 >&2; exit 4"
    ran = host.run(["sh", "-c", line], limit=60)
    assert (ran.rc, len(ran.out), len(ran.err)) == (4, 4 << 20, 4 << 20)
    assert ran.out.endswith("\n[output cut here]\n")
    assert ran.err.endswith("[output cut here]\n")


def test_ssh_says_why_it_does_not_connect(behave: Behave, tmp_path: Path) -> None:
    (tmp_path / "bin/refuse").write_text("Host key verification failed.\r\n\x1b[2J")
    with pytest.raises(EnvironmentMissing) as caught, connect("web1"):
        pass
    assert "by ssh: Host key verification failed." in caught.value.message
    assert "\x1b" not in caught.value.message
    assert "ssh -o BatchMode=yes -- web1 true" in str(caught.value.hint)


def test_what_ssh_says_last_is_waited_for(
    behave: Behave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen = ssh_client.Client._listen

    def late(client: ssh_client.Client, master: "subprocess.Popen[bytes]") -> None:
        master.wait()
        time.sleep(0.3)
        listen(client, master)

    monkeypatch.setattr(ssh_client.Client, "_listen", late)
    (tmp_path / "bin/refuse").write_text("Host key verification failed.\n")
    with pytest.raises(EnvironmentMissing, match="Host key verification failed"), connect("web1"):
        pass


def test_no_ssh_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentMissing, match="'ssh' was not found"), connect("web1"):
        pass


def test_nothing_is_left_here(behave: Behave, tmp_path: Path) -> None:
    with connect("web1", root=False) as host:
        assert host.run(["true"], limit=5).rc == 0
    left = proc.run(["pgrep", "-f", f"{tmp_path}/bin/ssh"], limit=10)
    assert left.out == ""


def test_ssh_finds_the_tickets_of_kerberos(
    behave: Behave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRB5CCNAME", "FILE:/tmp/krb5cc_of_me")
    monkeypatch.setenv("LD_PRELOAD_OF_ME", "no")
    behave(f"env > seen; {HONEST}")
    with connect("web1") as host:
        assert host.read("/proc/sys/kernel/ostype") == "Linux\n"
    seen = (tmp_path / "bin/seen").read_text()
    assert "KRB5CCNAME=FILE:/tmp/krb5cc_of_me\n" in seen and "OF_ME=" not in seen
