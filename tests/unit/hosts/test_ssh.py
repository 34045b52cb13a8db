# SPDX-License-Identifier: MIT
"""What a host over ssh may answer, and what becomes of it: an `ssh` on PATH that plays the host."""

import errno
from pathlib import Path

import pytest

from lppack.errors import ApplyRefused, EnvironmentMissing, HostError, LostHost
from lppack.hosts import far_side, ssh
from lppack.hosts.ssh import SshHost, connect
from tests.kit.fake_ssh import HONEST, Behave


def test_an_honest_one_answers(host: SshHost, behave: Behave, tmp_path: Path) -> None:
    assert host.name == "ssh:root@web1:22"
    assert host.read("/proc/version").startswith("Linux")
    calls = (tmp_path / "bin/calls").read_text().splitlines()
    assert len(calls) == 2  # one connection, and one session for all requests
    for call in calls:
        for word in ("BatchMode=yes", "PermitLocalCommand=no", "-T", "-a", "-x"):
            assert word in call
        assert " -l root -p 22 -- web1 exec " in call
        assert "StrictHostKeyChecking" not in call, "who a host is, ssh's own files say"
    assert all("ProxyCommand=false" in call for call in calls[1:]), "no second connection"


def test_what_runs_there_is_logged_as_what_runs_here(
    host: SshHost, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="lppack.proc"):
        host.run(["sh", "-c", "exit 3"], limit=5)
    assert "ssh:root@web1:22: sh -c 'exit 3': code 3, " in caplog.text


LIES = {
    "garbage": "head -c 300000 /dev/urandom; sleep 60",
    "endless": "yes",
    "endless, of one line": "cat /dev/zero",
    "endless errors": "yes >&2",
    "nothing": "exit 0",
    "silence": "exec sleep 60",
    "the connection ends": "exit 255",
    "the answer to another request": 'sh -c "$line" | sed "s/^[0-9a-f]* [be]/0123 &/"',
    "another kernel's": 'sh -c "$line" | sed "s/ end 0 ......../ end 0 00000000/"',
    "no boot_id": 'sh -c "$line" | sed "s/ end 0 .*/ end 0 /"',
    "cut": 'sh -c "$line" | head -c 40',
    "without a last line": 'sh -c "$line" | sed "/ end 0/d"',
    "code 1000": 'sh -c "$line" | sed "s/ end 0 / end 1000 /"',
}


@pytest.mark.slow
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lie_is_a_lost_host(host: SshHost, behave: Behave, lie: str) -> None:
    behave(lie)
    with pytest.raises(LostHost) as caught:
        host.read("/proc/version")
    assert "ssh:root@web1:22 is lost: " in caught.value.message
    assert "lppack status --on ssh:root@web1:22" in str(caught.value.hint)
    behave(HONEST)
    with pytest.raises(LostHost):  # nothing that it says is believed after that
        host.read("/proc/version")


def test_what_login_scripts_print_is_no_answer(host: SshHost, behave: Behave) -> None:
    behave('echo "Welcome to web1"; seq 1000; echo news >&2; ' + HONEST)
    assert host.read("/proc/sys/kernel/ostype") == "Linux\n"


def test_a_large_file_is_refused(host: SshHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "_FILE", 100)
    assert host.read("/proc/sys/kernel/ostype") == "Linux\n"
    with pytest.raises(HostError) as caught:
        host.read("/proc/kallsyms")
    assert caught.value.errno == errno.EFBIG


def test_too_many_names_are_refused(host: SshHost, behave: Behave) -> None:
    behave('sh -c "$line" | sed "s/^self$/$(seq -s "\\\\n" 1 20000)/"')
    with pytest.raises(HostError, match="more than 10000 names"):
        host.list("/proc")


def test_no_terminal_obeys_what_a_host_says(host: SshHost, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a\x1b[2Jb\r\x07\x9b\tc\n\xc2\x9b31m\n")
    assert set(host.read(f"{tmp_path}/f")) == set("ab\tc\n[2J31m\N{REPLACEMENT CHARACTER}")
    with pytest.raises(HostError) as caught:
        host.read("/nowhere/\x1b[2J")
    assert "\x1b" not in repr(caught.value.errno)


def test_an_error_that_no_one_knows_is_shown(host: SshHost, behave: Behave) -> None:
    behave(
        'sh -c "$line" 2> /dev/null | sed "s/ end 0 / end 9 /" & '
        'sh -c "$line" 2>&1 > /dev/null | sed "2a cat: bad moon rising" >&2; wait'
    )
    with pytest.raises(HostError) as caught:
        host.read("/proc/sys/kernel/ostype")
    assert caught.value.errno == errno.EIO
    assert "bad moon rising" in caught.value.message


GREETINGS = {
    "has no POSIX shell on Linux": "s/^Linux$/SunOS/",
    "lacks programs: flock, timeout": "5s/^$/flock timeout /",
}


@pytest.mark.parametrize(("said", "change"), GREETINGS.items(), ids=GREETINGS)
def test_what_the_far_side_lacks_is_named(behave: Behave, said: str, change: str) -> None:
    behave(f'sh -c "$line" | sed "{change}"')
    with pytest.raises(EnvironmentMissing, match=said), connect("web1"):
        pass


def test_a_user_who_is_not_root_goes_by_sudo_or_is_refused(behave: Behave, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    (folder / "setup").write_text(far_side.SETUP.replace("PATH=", f"PATH={folder}:", 1))
    (folder / "sudo").write_text('#!/bin/sh\n[ "$*" = "-n true" ] && exit "$(cat may)"\n')
    (folder / "sudo").chmod(0o755)
    (folder / "may").write_text("1")
    behave('sh -c "$line" | sed "3s/^[0-9]*$/1000/"')
    refused = "only root can change live patches on ssh:web1"
    with pytest.raises(EnvironmentMissing, match=refused), connect("web1"):
        pass
    (folder / "may").write_text("0")
    with connect("web1") as host:
        assert host.run(["echo", "hello"], limit=5).out == "hello\n"
    last = (folder / "calls").read_text().splitlines()[-1]
    assert " -- web1 exec sudo -n -- sh -c " in last


def test_the_lock_goes_with_its_process(host: SshHost, behave: Behave) -> None:
    behave(
        'case $line in *flock*) exec sh -c "printf \'\\\\n%s begin\\\\n\' $(echo "$line" | '
        'grep -o "[0-9a-f]\\{32\\}"); sleep 0.5";; esac; ' + HONEST
    )
    with host.lock.hold("lppack apply x"):
        assert host.held is not None
        host.held.wait(timeout=20)
        with pytest.raises(LostHost, match="the process that held its lock there has ended"):
            host.read("/proc/version")


def test_a_lock_that_cannot_be_taken_is_a_refusal(host: SshHost, behave: Behave) -> None:
    behave(
        'case $line in *flock*) echo "mkdir: /run/lppack: Read-only file system" >&2; exit 66;; '
        "esac; " + HONEST
    )
    with pytest.raises(ApplyRefused) as caught, host.lock.hold("lppack apply x"):
        pass
    assert "Read-only file system" in caught.value.message
    assert caught.value.reason == "no-lock"
