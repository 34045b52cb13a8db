# SPDX-License-Identifier: MIT
"""What can be known of guests without QEMU: names, records, and the talk with the agent."""

import contextlib
import errno
import fcntl
import json
import os
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack import proc
from lppack.errors import ApplyRefused, EnvironmentMissing, HostError, LostHost
from lppack.hosts import guests, qemu
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.store import lock_holder

KERNEL = Kernel(
    release="6.1.0-0-test",
    version="#1 test",
    suite="bookworm",
    root=Path("/nowhere"),
    image=Path("/nowhere/vmlinuz"),
    config=Path("/nowhere/config"),
    modules=Path("/nowhere/modules"),
    headers=Path("/nowhere/headers"),
)


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "lppack"


def record(folder: Path, *, pid: int, started: int, starting: bool = False) -> None:
    folder.mkdir(parents=True)
    fields = {"pid": pid, "started": started, "starting": starting}
    known = {"release": KERNEL.release, "version": KERNEL.version}
    (folder / "guest.json").write_text(json.dumps({**fields, **known}))


def own_start() -> int:
    started = proc.start_time(os.getpid())
    assert started is not None
    return started


@pytest.mark.parametrize("name", ["", "-a", "A", "a_b", "../a", "a/b", "a" * 32, "a\n"])
def test_bad_name_is_refused(run_dir: Path, name: str) -> None:
    with pytest.raises(EnvironmentMissing, match="not a name"):
        guests.connect(name)


def test_the_folder_of_module_files_is_no_guest(run_dir: Path) -> None:
    """modules.insert() drops them in load, below the folder of guests."""
    (run_dir / "load").mkdir(parents=True)
    for act in (guests.connect, guests.stop):
        with pytest.raises(EnvironmentMissing, match="holds module files"):
            act("load")
    assert (run_dir / "load").is_dir()


@pytest.mark.parametrize("name", ["a", "7", "guest-2", "a" * 31])
def test_good_name_is_looked_up(run_dir: Path, name: str) -> None:
    with pytest.raises(EnvironmentMissing, match="there is no guest"):
        guests.stop(name)


def test_no_guest_is_an_empty_list(run_dir: Path) -> None:
    assert guests.list_guests() == ()


def test_guest_whose_process_lives_is_alive(run_dir: Path) -> None:
    record(run_dir / "one", pid=os.getpid(), started=own_start())
    (one,) = guests.list_guests()
    assert (one.name, one.release, one.alive) == ("one", KERNEL.release, True)
    assert one.console == run_dir / "one" / "console.log"


def test_reused_pid_is_not_the_guest(run_dir: Path) -> None:
    record(run_dir / "one", pid=os.getpid(), started=own_start() - 1)
    (one,) = guests.list_guests()
    assert not one.alive


def test_stop_spares_the_process_that_got_the_pid(run_dir: Path) -> None:
    record(run_dir / "one", pid=os.getpid(), started=own_start() - 1)
    guests.stop("one")
    assert guests.list_guests() == ()
    assert not (run_dir / "one").exists()


def test_broken_record_is_no_guest(run_dir: Path) -> None:
    record(run_dir / "one", pid=1, started=1)
    (run_dir / "one/guest.json").write_text("{")
    assert guests.list_guests() == ()
    guests.stop("one")
    assert not (run_dir / "one").exists()


def test_name_of_a_living_guest_is_refused(run_dir: Path) -> None:
    record(run_dir / "one", pid=os.getpid(), started=own_start())
    with pytest.raises(ApplyRefused, match="runs already"):
        guests.start("one", KERNEL, Path("/nowhere/initramfs"))
    assert guests.list_guests()[0].alive


def test_guest_that_another_command_starts_is_refused(run_dir: Path) -> None:
    record(run_dir / "one", pid=os.getpid(), started=own_start(), starting=True)
    with pytest.raises(ApplyRefused, match="is being started"):
        guests.start("one", KERNEL, Path("/nowhere/initramfs"))


def test_start_that_fails_leaves_nothing(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EnvironmentMissing, match="qemu-system"):
        guests.start("one", KERNEL, Path("/nowhere/initramfs"))
    assert guests.list_guests() == ()
    assert not (run_dir / "one").exists()


def test_dead_guest_gives_way_to_a_new_one(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    record(run_dir / "one", pid=os.getpid(), started=own_start() - 1)
    with pytest.raises(EnvironmentMissing, match="qemu-system"):
        guests.start("one", KERNEL, Path("/nowhere/initramfs"))


def test_use_of_a_dead_guest_is_a_lost_host(run_dir: Path) -> None:
    record(run_dir / "one", pid=os.getpid(), started=own_start() - 1)
    with pytest.raises(LostHost, match="guest:one is lost: QEMU has ended"):
        guests.connect("one").read("/proc/uptime")


# ---- the talk with the agent ----


def answer(ident: int, error: int = 0, data: bytes = b"") -> bytes:
    return struct.pack("<IQII", 0x3141504C, ident, error, len(data)) + data


class Agent(threading.Thread):
    """Answers each request with the next of ``replies``; closes when there is none left."""

    def __init__(
        self, folder: Path, *replies: tuple[int, bytes], noise: bytes = b"", silent: bool = False
    ) -> None:
        super().__init__(daemon=True)
        self.replies = list(replies)
        self.noise = noise
        self.silent = silent  # answers nothing but pings
        self.heard = threading.Event()
        self.asked: list[tuple[int, bytes]] = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(folder / qemu.SOCKET))
        self.listener.listen()
        self.listener.settimeout(20)

    def run(self) -> None:
        with contextlib.suppress(OSError), self.listener:
            client, _ = self.listener.accept()
            with client, client.makefile("rb") as stream:
                client.settimeout(20)
                client.sendall(self.noise)
                while head := stream.read(28):
                    _, crc, ident, op, _, size = struct.unpack("<IIQIII", head)
                    data = stream.read(size)
                    assert zlib.crc32(head[8:] + data) == crc
                    if op == 0:
                        client.sendall(answer(ident))
                        continue
                    self.asked.append((op, data))
                    if self.silent:
                        self.heard.wait(20)
                    if self.silent or not self.replies:
                        return
                    client.sendall(answer(ident ^ 1, 5, b"for another"))
                    client.sendall(answer(ident, *self.replies.pop(0)))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / qemu.CONSOLE).write_text("[    1.0] all is well\n")
    yield tmp_path


def test_answers_to_others_are_not_ours(folder: Path) -> None:
    agent = Agent(folder, (0, b"text"), (0, b"b\0a\0"), noise=b"the rest of an answer")
    agent.start()
    host = GuestHost("guest", folder)
    assert host.read("/proc/x") == "text"
    assert host.list("/sys") == ("a", "b")
    host.close()
    assert agent.asked == [(1, b"/proc/x\0"), (3, b"/sys\0")]


def test_what_a_guest_says_moves_no_terminals_cursor(folder: Path) -> None:
    Agent(folder, (0, b"x\x1b[2J\n")).start()
    assert GuestHost("guest", folder).read("/proc/x") == "x\ufffd[2J\n"


def test_errno_of_the_guest_is_unchanged(folder: Path) -> None:
    Agent(folder, (16, b"")).start()
    with pytest.raises(HostError) as caught:
        GuestHost("guest", folder).write("/sys/x", "1")
    assert (caught.value.errno, caught.value.path) == (16, "/sys/x")


def test_answer_of_a_program_is_taken_apart(folder: Path) -> None:
    Agent(folder, (0, struct.pack("<iI", 3, 2) + b"okbad")).start()
    ran = GuestHost("guest", folder).run(["a", "b"], limit=5)
    assert (ran.rc, ran.out, ran.err) == (3, "ok", "bad")


def test_big_file_is_put_in_parts(folder: Path) -> None:
    agent = Agent(folder, (0, b""), (0, b""), (0, b""))
    agent.start()
    (folder / "big").write_bytes(bytes(2 * (1 << 20) + 5))
    GuestHost("guest", folder).put(folder / "big", "/tmp/big", mode=0o600)
    flags = [struct.unpack_from("<II", data) for _, data in agent.asked]
    assert flags == [(0o600, 1), (0o600, 0), (0o600, 2)]


def test_empty_file_is_put_in_one_part(folder: Path) -> None:
    agent = Agent(folder, (0, b""))
    agent.start()
    (folder / "empty").write_bytes(b"")
    GuestHost("guest", folder).put(folder / "empty", "/tmp/empty")
    assert agent.asked == [(4, struct.pack("<II", 0o644, 3) + b"/tmp/empty\0")]


def test_guest_that_ends_is_lost_with_its_last_words(folder: Path) -> None:
    Agent(folder).start()
    with pytest.raises(LostHost) as caught:
        GuestHost("guest", folder).read("/proc/x")
    assert "all is well" in caught.value.message
    assert str(folder / qemu.CONSOLE) in caught.value.message


def test_faults_are_those_of_the_console(folder: Path) -> None:
    host = GuestHost("guest", folder)
    assert host.faults() == ()
    with host.console.open("a") as log:
        log.write("[    2.0] kernel BUG at mm/slub.c:1!\n")
    assert len(host.faults()) == 1


def test_a_guest_in_use_names_the_process_that_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lppack.hosts.guest._TURN", 0.05)
    lock = tmp_path / "lock"
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(HostError) as caught:
            GuestHost("guest:held", tmp_path, lock=lock).read("/proc/version")
    assert (caught.value.errno, caught.value.exit_code) == (errno.EBUSY, 8)
    assert f"another command (pid {os.getpid()})" in caught.value.message
    assert caught.value.hint == f"look at it, and wait for it or end it: ps -p {os.getpid()}"


def test_a_lost_guest_of_a_name_has_a_way_out(tmp_path: Path) -> None:
    lost = GuestHost("guest:ops", tmp_path, lock=tmp_path / "lock", gone=lambda: True)
    with pytest.raises(LostHost) as caught:
        lost.read("/proc/version")
    assert str(caught.value.hint).endswith("lppack guest stop ops")


def test_a_lock_that_nobody_holds(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    assert lock_holder(tmp_path / "lock") is None
    assert lock_holder(tmp_path / "absent") is None


@pytest.mark.parametrize("watched", [True, False])
def test_a_kernel_that_died_is_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    """The agent lives, and what it runs does not end."""
    monkeypatch.setattr("lppack.hosts.guest._AFTER_FAULT", 0.2)
    monkeypatch.setattr("lppack.hosts.guest_protocol._GLANCE", 0.05)
    monkeypatch.setattr("lppack.hosts.guest._GRACE", 0.5)
    silent = Agent(folder, (0, b""), silent=True)
    silent.start()
    host = GuestHost("guest", folder)
    with host.console.open("a") as log:
        log.write("[    2.0] kernel BUG at mm/slub.c:1!\n")
    if watched:
        host.watch()
    assert host.new_faults == ()
    with host.console.open("a") as log:
        log.write("[    3.0] BUG: kernel NULL pointer dereference, address: 0\n")
    with pytest.raises(LostHost) as caught:
        host.run(["cat"], limit=0.5 if not watched else 60)
    assert ("its kernel reported a fault" in caught.value.message) is watched
    assert "NULL pointer" in caught.value.message
    silent.heard.set()


def test_an_answer_after_a_fault_is_taken(folder: Path) -> None:
    Agent(folder, (0, struct.pack("<iI", 0, 2) + b"ok")).start()
    host = GuestHost("guest", folder)
    host.watch()
    with host.console.open("a") as log:
        log.write("[    3.0] WARNING: CPU: 0 PID: 1 at fs/x.c:1\n")
    assert host.run(["cat"], limit=5).out == "ok"
    assert len(host.new_faults) == 1
