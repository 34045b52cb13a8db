# SPDX-License-Identifier: MIT
"""The client of a guest's agent, against a socket that plays the agent."""

import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lppack.clock import Deadline
from lppack.hosts import qemu
from lppack.hosts.guest_protocol import Connection, Op, frame

MAGIC = b"LPA1"
Answer = Callable[[int, int, bytes], bytes]


def reply(ident: int, error: int = 0, data: bytes = b"", magic: bytes = MAGIC) -> bytes:
    return magic + struct.pack("<QII", ident, error, len(data)) + data


def honest(ident: int, op: int, data: bytes) -> bytes:
    return reply(ident) if op == Op.PING else reply(ident, 2, data[::-1])


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[[Answer], Connection]]:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / qemu.SOCKET))
    server.listen()
    made: list[Connection] = []

    def start(answer: Answer) -> Connection:
        def run() -> None:
            client, _ = server.accept()
            with client, client.makefile("rb") as requests:
                while head := requests.read(28):
                    magic, crc, ident, op, _, size = struct.unpack("<4sIQIII", head)
                    data = requests.read(size)
                    assert (magic, crc) == (MAGIC, zlib.crc32(head[8:] + data))
                    if not (said := answer(ident, op, data)):
                        return
                    client.sendall(said)

        threading.Thread(target=run, daemon=True).start()
        made.append(Connection(tmp_path, Deadline(5), lambda: False, lambda: None))
        return made[0]

    yield start
    for connection in made:
        connection.close()
    server.close()


Play = Callable[[Answer], Connection]


def test_a_request_has_its_answer(play: Play) -> None:
    connection = play(honest)
    assert connection.request(Op.READ, b"abc", 1, Deadline(5)) == (2, b"cba")
    assert connection.request(Op.RUN, bytes(100_000), 1, Deadline(5)) == (2, bytes(100_000))


def test_what_answers_an_earlier_client_is_discarded(play: Play) -> None:
    def late(ident: int, op: int, data: bytes) -> bytes:
        return b"noise" * (op == Op.PING) + reply(ident ^ 1, 5, b"late") + honest(ident, op, data)

    assert play(late).request(Op.READ, b"ab", 1, Deadline(5)) == (2, b"ba")


def test_an_answer_that_makes_no_sense_ends_it(play: Play) -> None:
    def garbled(ident: int, op: int, data: bytes) -> bytes:
        return reply(ident) if op == Op.PING else reply(ident, magic=b"LPA2")

    with pytest.raises(ConnectionError, match="makes no sense"):
        play(garbled).request(Op.READ, b"", 1, Deadline(5))


def test_an_agent_that_ends_is_gone(play: Play) -> None:
    connection = play(lambda ident, op, _data: reply(ident) if op == Op.PING else b"")
    with pytest.raises(ConnectionError, match="QEMU has ended"):
        connection.request(Op.READ, b"", 1, Deadline(5))


def test_a_limit_beyond_32_bits_is_the_longest_one() -> None:
    longest = struct.unpack_from("<I", frame(1, Op.RUN, 1e9, b""), 20)
    assert longest == (2**32 - 1,)
