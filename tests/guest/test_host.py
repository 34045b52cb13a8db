# SPDX-License-Identifier: MIT
"""A guest as a host: each call does what the Host protocol says, and nothing hangs it."""

import errno
import hashlib
import os
import socket
import time
import uuid
from pathlib import Path

import pytest

from lppack.errors import HostError
from lppack.hosts import qemu
from lppack.hosts.guest import GuestHost
from lppack.hosts.guest_protocol import Op, frame

pytestmark = pytest.mark.guest


@pytest.fixture
def there() -> str:
    """A directory of this test in the guest, which is shared."""
    return f"/tmp/{uuid.uuid4().hex}"


def test_kernel_answers(guest: GuestHost) -> None:
    assert guest.read("/proc/version").startswith("Linux version ")
    assert "proc" in guest.list("/")


def test_large_file_is_read_whole(guest: GuestHost) -> None:
    text = guest.read("/proc/kallsyms")
    assert len(text) > 3_000_000
    assert text.endswith("\n")
    assert " _text\n" in text or " _stext\n" in text


def test_large_file_is_put_whole_with_its_mode(
    guest: GuestHost, there: str, tmp_path: Path
) -> None:
    source = tmp_path / "big"
    source.write_bytes(os.urandom(3 * 1024 * 1024 + 77))
    guest.put(source, f"{there}/deep/big", mode=0o750)
    told = guest.run(["sha256sum", f"{there}/deep/big"], limit=60)
    assert told.out.split()[0] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert guest.run(["stat", "-c", "%a", f"{there}/deep/big"], limit=20).out == "750\n"
    assert guest.list(f"{there}/deep") == ("big",)


@pytest.mark.parametrize("path", ["/nowhere", "/sys/kernel/nowhere", "/proc/nowhere"])
def test_missing_file_is_enoent(guest: GuestHost, path: str) -> None:
    for call in (guest.read, guest.list, lambda path: guest.write(path, "1")):
        with pytest.raises(HostError) as caught:
            call(path)
        assert caught.value.errno == errno.ENOENT
        assert caught.value.path == path


def test_errno_of_an_attribute_comes_unchanged(guest: GuestHost) -> None:
    """mm/ksm.c: run_store() has -EINVAL for what is not a number."""
    with pytest.raises(HostError) as caught:
        guest.write("/sys/kernel/mm/ksm/run", "nonsense")
    assert caught.value.errno == errno.EINVAL


def test_attribute_takes_a_value(guest: GuestHost) -> None:
    path = "/sys/kernel/mm/ksm/pages_to_scan"
    before = guest.read(path)
    guest.write(path, "123\n")
    assert guest.read(path) == "123\n"
    guest.write(path, before)


def test_program_tells_rc_and_both_outputs(guest: GuestHost) -> None:
    ran = guest.run(["sh", "-c", "echo out; echo err >&2; exit 3"], limit=20)
    assert (ran.rc, ran.out, ran.err) == (3, "out\n", "err\n")


def test_killed_program_is_128_and_the_signal(guest: GuestHost) -> None:
    assert guest.run(["sh", "-c", "kill -9 $$"], limit=20).rc == 137


def test_program_that_is_not_there_is_enoent(guest: GuestHost) -> None:
    with pytest.raises(HostError) as caught:
        guest.run(["no-such-program"], limit=20)
    assert caught.value.errno == errno.ENOENT


def test_program_is_killed_at_its_limit(guest: GuestHost) -> None:
    start = time.monotonic()
    ran = guest.run(["sh", "-c", "echo begun; sleep 1234"], limit=2)
    assert (ran.rc, ran.out) == (124, "begun\n")
    assert time.monotonic() - start < 15
    assert "sleep 1234" not in guest.run(["ps"], limit=20).out


def test_program_in_the_background_is_not_waited_for(guest: GuestHost) -> None:
    start = time.monotonic()
    ran = guest.run(["sh", "-c", "sleep 20 & echo started"], limit=60)
    assert (ran.rc, ran.out) == (0, "started\n")
    assert time.monotonic() - start < 15


def test_endless_output_is_cut(guest: GuestHost) -> None:
    ran = guest.run(["sh", "-c", "yes | head -c 6000000; echo end >&2"], limit=120)
    assert (ran.rc, ran.err) == (0, "end\n")
    assert len(ran.out) == 4 * 1024 * 1024
    assert ran.out.endswith("output cut here]\n")


def test_blocked_write_and_read_end_and_the_guest_goes_on(
    guest: GuestHost, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest.run(["mkdir", there], limit=20)
    guest.run(["mkfifo", f"{there}/fifo"], limit=20)
    monkeypatch.setattr(guest, "limit", 1.0)
    for call in (guest.read, lambda path: guest.write(path, "text")):
        with pytest.raises(HostError) as caught:
            call(f"{there}/fifo")
        assert caught.value.errno == errno.ETIMEDOUT
    guest.ping()


def test_file_without_end_is_refused(guest: GuestHost) -> None:
    with pytest.raises(HostError) as caught:
        guest.read("/dev/zero")
    assert caught.value.errno in (errno.EFBIG, errno.ETIMEDOUT)
    guest.ping()


def test_orphans_are_reaped(guest: GuestHost) -> None:
    guest.run(["sh", "-c", "(sleep 0.2; exit 1) & exit 0"], limit=20)
    guest.run(["sleep", "1"], limit=20)
    states = guest.run(["sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null"], limit=20).out
    assert not [line for line in states.splitlines() if line.rpartition(")")[2].split()[0] == "Z"]


def half_spoken(guest: GuestHost, data: bytes, *, wait_for_answer: bool = False) -> None:
    """Another client that goes away without a good-bye."""
    guest.close()
    at = os.open(guest.console.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(20)
            client.connect(f"/proc/self/fd/{at}/{qemu.SOCKET}")
            client.sendall(data)
            if wait_for_answer:
                client.recv(10)
    finally:
        os.close(at)


@pytest.mark.parametrize("cut", [1, 9, 29, 1000, 400_000])
def test_client_that_leaves_in_a_request_does_no_harm(
    guest: GuestHost, there: str, tmp_path: Path, cut: int
) -> None:
    (tmp_path / "file").write_text("before")
    guest.put(tmp_path / "file", f"{there}/file")
    path = f"{there}/file".encode() + b"\0"
    request = frame(7, Op.WRITE, 5.0, path + b"Z" * 500_000)
    half_spoken(guest, request[:cut])
    assert guest.read(f"{there}/file") == "before"


def test_client_that_leaves_in_an_answer_does_no_harm(guest: GuestHost) -> None:
    half_spoken(guest, frame(7, Op.READ, 20.0, b"/proc/kallsyms\0"), wait_for_answer=True)
    assert guest.read("/proc/version").startswith("Linux version ")


def test_program_of_a_client_that_left_is_given_up(guest: GuestHost) -> None:
    half_spoken(guest, frame(7, Op.RUN, 60.0, b"sleep\0" + b"4321\0"))
    start = time.monotonic()
    assert "sleep 4321" not in guest.run(["ps"], limit=30).out
    assert time.monotonic() - start < 20


def test_noise_does_no_harm(guest: GuestHost) -> None:
    half_spoken(guest, b"LPA1" + os.urandom(5000))
    guest.ping()


def test_nothing_of_this_is_a_fault_of_the_kernel(guest: GuestHost) -> None:
    assert guest.faults() == ()
