# SPDX-License-Identifier: MIT
"""One suite, every host: what a stage may rely on wherever a kernel runs.

A guest is a host too: tests/guest/test_host.py has these tests for it, and more.
"""

import contextlib
import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack.errors import ApplyRefused, HostError
from lppack.hosts import HOSTS, local, ssh
from lppack.hosts.local import LocalHost
from lppack.hosts.protocol import TIMED_OUT, Host
from lppack.hosts.ssh import connect
from tests.kit.sshd import serve


@contextlib.contextmanager
def _over_ssh(tmp_path: Path) -> Iterator[Host]:
    with serve(tmp_path) as sshd, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", sshd.environment()["PATH"])
        with connect(sshd.address, root=False) as host:
            yield host


@pytest.fixture(scope="module", params=["local", pytest.param("ssh:", marks=pytest.mark.slow)])
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """Of this machine, so that a test can look at what was done."""
    assert request.param in HOSTS
    if request.param == "local":
        yield LocalHost()
    else:
        with _over_ssh(tmp_path_factory.mktemp("sshd")) as made:
            yield made


def test_no_host_is_forgotten() -> None:
    """A guest has no file that this side can look at: see tests/guest/test_host.py."""
    assert set(HOSTS) == {"local", "ssh:", "guest:"}


def test_it_is_a_kernel(host: Host) -> None:
    assert host.read("/proc/version").startswith("Linux version ")
    assert "self" in host.list("/proc")


def test_a_write_replaces_what_was_there(host: Host, tmp_path: Path) -> None:
    at = tmp_path / "enabled"
    at.write_text("old and longer\n")
    for text in ("1\n", "", 'it\'s "$HOME" `id` \\n %s; rm -rf $(pwd)', "-n", "\N{SNOWMAN}"):
        host.write(str(at), text)
        assert at.read_text() == text
        assert host.read(str(at)) == text


@pytest.mark.parametrize("name", ["a b", 'it\'s "so"', "$HOME`id`", "-rf", "*\\;~!x"])
def test_a_path_is_a_path(host: Host, tmp_path: Path, name: str) -> None:
    (tmp_path / "source").write_bytes(b"\x7fELF\0\xff")
    host.put(tmp_path / "source", f"{tmp_path}/deep/{name}", mode=0o640)
    assert (tmp_path / "deep" / name).read_bytes() == b"\x7fELF\0\xff"
    assert host.list(f"{tmp_path}/deep") == (name,)
    host.write(f"{tmp_path}/deep/{name}", "1")
    assert host.read(f"{tmp_path}/deep/{name}") == "1"
    ran = host.run(["ls", "--", f"{tmp_path}/deep/{name}"], limit=20)
    assert (ran.rc, ran.out.count("\n")) == (0, 1)


def test_a_write_makes_no_file(host: Host, tmp_path: Path) -> None:
    with pytest.raises(HostError) as caught:
        host.write(f"{tmp_path}/absent", "1")
    assert caught.value.errno == errno.ENOENT
    assert list(tmp_path.iterdir()) == []


def test_a_write_is_one_write(host: Host, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        host.write(f"{tmp_path}/pipe", "a" * 3000)
        assert os.read(reader, 4096) == b"a" * 3000
    finally:
        os.close(reader)


@pytest.mark.parametrize(
    ("name", "number"), [("absent", errno.ENOENT), ("file/below", errno.ENOTDIR)]
)
def test_the_errno_is_kept(host: Host, tmp_path: Path, name: str, number: int) -> None:
    (tmp_path / "file").touch()
    path = f"{tmp_path}/{name}"
    for call in (host.read, host.list, lambda path: host.write(path, "1")):
        with pytest.raises(HostError) as caught:
            call(path)
        assert (caught.value.errno, caught.value.path) == (number, path)


def test_a_folder_is_no_file_and_a_file_no_folder(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for call, path, number in (
        (host.read, str(tmp_path), errno.EISDIR),
        (lambda path: host.write(path, "1"), str(tmp_path), errno.EISDIR),
        (host.list, f"{tmp_path}/file", errno.ENOTDIR),
    ):
        with pytest.raises(HostError) as caught:
            call(path)
        assert caught.value.errno == number


def test_the_answer_of_a_write_is_the_kernels(host: Host) -> None:
    with pytest.raises(HostError) as caught:
        host.write("/dev/full", "1")
    assert (caught.value.errno, caught.value.path) == (errno.ENOSPC, "/dev/full")


def test_list_gives_names_in_order(host: Host, tmp_path: Path) -> None:
    assert host.list(str(tmp_path)) == ()
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).touch()
    assert host.list(str(tmp_path)) == (".hidden", "a", "b")


def test_put_takes_a_large_file_and_replaces_it(host: Host, tmp_path: Path) -> None:
    data = os.urandom((3 << 20) + 77)
    (tmp_path / "source").write_bytes(data)
    target = tmp_path / "deep/er/target"
    host.put(tmp_path / "source", str(target), mode=0o600)
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(data).digest()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    (tmp_path / "source").write_bytes(b"")
    host.put(tmp_path / "source", str(target))
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"", 0o644)
    assert list(target.parent.iterdir()) == [target]


def test_put_of_nothing_fails_and_leaves_nothing(host: Host, tmp_path: Path) -> None:
    with pytest.raises(HostError) as caught:
        host.put(tmp_path / "absent", f"{tmp_path}/target")
    assert caught.value.errno == errno.ENOENT
    assert list(tmp_path.iterdir()) == []


def test_put_into_what_is_no_folder_is_refused(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(HostError) as caught:
        host.put(tmp_path / "file", f"{tmp_path}/file/below")
    assert caught.value.errno in (errno.ENOTDIR, errno.EEXIST)
    assert (tmp_path / "file").read_text() == "x"


def test_a_large_file_is_read_whole(host: Host, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("0123456789abcde\n" * 200_000)
    assert host.read(f"{tmp_path}/f") == "0123456789abcde\n" * 200_000


def test_a_program_gives_its_code_and_both_outputs(host: Host) -> None:
    ran = host.run(["sh", "-c", "echo out; printf err >&2; exit 3"], limit=20)
    assert (ran.rc, ran.out, ran.err) == (3, "out\n", "err")
    assert host.run(["sh", "-c", "kill -9 $$"], limit=20).rc == 128 + 9
    words = ["a b", "", "it's", "$HOME", "*", "\\", "-n", "end\n"]
    assert host.run(["printf", "%s|", *words], limit=20).out == "".join(f"{w}|" for w in words)


def test_a_program_has_no_input(host: Host) -> None:
    assert host.run(["cat"], limit=20).rc == 0


def test_a_program_that_is_not_there_is_127(host: Host) -> None:
    ran = host.run(["no-such-program"], limit=20)
    assert ran.rc == 127
    assert "no-such-program" in ran.err


def test_a_program_ends_at_its_limit(host: Host, tmp_path: Path) -> None:
    mark = f"1{os.getpid()}"
    ran = host.run(["sh", "-c", f"trap '' TERM; echo begun; sleep {mark}; sleep {mark}"], limit=1)
    assert (ran.rc, ran.out) == (TIMED_OUT, "begun\n")
    assert f"sleep\0{mark}" not in _commands()


def _commands() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_text(errors="replace"))
    return "\n".join(found)


def test_the_lock_is_one_for_all(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (local, ssh):
        monkeypatch.setattr(module, "PATH", tmp_path / "run/operate.lock")
    assert host.lock is not None
    here = LocalHost().lock
    assert host.lock.holder() is None
    with host.lock.hold("lppack apply x.lpp"):
        for other in (host.lock, here):
            found = other.holder()
            assert found is not None
            assert (found.command, found.pid) == ("lppack apply x.lpp", os.getpid())
            with pytest.raises(ApplyRefused) as caught, other.hold("lppack revert x"):
                pass
            assert caught.value.reason == "host-in-use"
            assert f"kill {os.getpid()}" in str(caught.value.hint)
    assert host.lock.holder() is None
    with here.hold("lppack convert x"), pytest.raises(ApplyRefused), host.lock.hold("lppack x"):
        pass
    start = time.monotonic()
    with host.lock.hold("lppack again"):  # the control: now it is free
        pass
    assert time.monotonic() - start < 60
