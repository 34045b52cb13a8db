# SPDX-License-Identifier: MIT
import errno
import os
import stat
import time
from pathlib import Path

import pytest

from lppack.errors import HostError
from lppack.hosts.local import LocalHost
from lppack.hosts.protocol import Host

HOST: Host = LocalHost()


def test_its_name_is_what_on_takes() -> None:
    assert HOST.name == "local"


def test_read_and_write(tmp_path: Path) -> None:
    path = str(tmp_path / "enabled")
    (tmp_path / "enabled").write_text("old and longer\n")
    HOST.write(path, "1")
    assert HOST.read(path) == "1"


def test_a_write_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(HostError) as caught:
        HOST.write(str(tmp_path / "absent"), "1")
    assert caught.value.errno == errno.ENOENT
    assert list(tmp_path.iterdir()) == []


def test_a_write_is_one_write(tmp_path: Path) -> None:
    """sysfs takes a value whole: what a reader of a pipe gets at once is what one write(2) gave."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        HOST.write(str(tmp_path / "pipe"), "a" * 3000)
        assert os.read(reader, 4096) == b"a" * 3000
    finally:
        os.close(reader)


def test_the_answer_of_a_write_is_the_kernels() -> None:
    with pytest.raises(HostError) as caught:
        HOST.write("/dev/full", "1")
    assert (caught.value.errno, caught.value.path) == (errno.ENOSPC, "/dev/full")


def test_read_of_what_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a\xffb\n")
    assert HOST.read(str(tmp_path / "f")) == "a\N{REPLACEMENT CHARACTER}b\n"


@pytest.mark.parametrize(
    ("name", "number"),
    [("absent", errno.ENOENT), ("", errno.EISDIR), ("file/below", errno.ENOTDIR)],
)
def test_the_errno_of_a_read_is_kept(tmp_path: Path, name: str, number: int) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError) as caught:
        HOST.read(f"{tmp_path}/{name}")
    assert caught.value.errno == number
    assert caught.value.path == f"{tmp_path}/{name}"


def test_list_gives_names_in_order(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).touch()
    assert HOST.list(str(tmp_path)) == (".hidden", "a", "b")
    with pytest.raises(HostError) as caught:
        HOST.list(str(tmp_path / "absent"))
    assert caught.value.errno == errno.ENOENT


def test_put_copies_a_file_with_its_mode(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"\x7fELF")
    HOST.put(tmp_path / "source", str(tmp_path / "deep/target"), mode=0o600)
    target = tmp_path / "deep/target"
    assert target.read_bytes() == b"\x7fELF"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    HOST.put(tmp_path / "source", str(target))
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


def test_put_of_nothing_fails(tmp_path: Path) -> None:
    with pytest.raises(HostError) as caught:
        HOST.put(tmp_path / "absent", str(tmp_path / "target"))
    assert caught.value.errno == errno.ENOENT
    assert not (tmp_path / "target").exists()


def test_run_says_how_a_program_ended_as_a_shell_does() -> None:
    ran = HOST.run(["sh", "-c", "echo out; echo err >&2; exit 3"], limit=10)
    assert (ran.rc, ran.out, ran.err) == (3, "out\n", "err\n")
    assert HOST.run(["sh", "-c", "kill -9 $$"], limit=10).rc == 128 + 9


def test_run_out_of_time_is_124() -> None:
    start = time.monotonic()
    assert HOST.run(["sleep", "60"], limit=0.2).rc == 124
    assert time.monotonic() - start < 5


def test_a_program_that_a_host_lacks_is_an_answer_of_the_host() -> None:
    """The guest's agent answers 127, as a shell does; "4, nothing was done" would be a lie here."""
    ran = HOST.run(["no-such-program"], limit=10)
    assert ran.rc == 127
    assert "no-such-program" in ran.err


def test_a_file_that_was_put_is_there_after_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes are on the disk before its name, and its name before put() returns."""
    (tmp_path / "source").write_text("x")
    place = tmp_path / "to/file"
    seen: list[tuple[str, bool]] = []

    def fsync(handle: int) -> None:
        seen.append((str(Path(f"/proc/self/fd/{handle}").readlink()), place.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    LocalHost().put(tmp_path / "source", str(place))
    (file, before), folder = seen
    assert Path(file).parent == place.parent and not before
    assert folder == (str(place.parent), True)


def test_what_it_says_moves_no_terminals_cursor(tmp_path: Path) -> None:
    """Any user names threads, and writes files that root's commands read."""
    (tmp_path / "comm").write_bytes(b"x\x1b[2J\tb\n")
    assert HOST.read(str(tmp_path / "comm")) == "x\ufffd[2J\tb\n"
    ran = HOST.run(["sh", "-c", "printf 'x\\033[2J'; printf 'y\\007' >&2"], limit=5)
    assert (ran.out, ran.err) == ("x\ufffd[2J", "y\ufffd")
