# SPDX-License-Identifier: MIT
"""Files of a folder or of a web server: what is taken, and what is refused."""

import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from lppack.errors import AnswerIsNo, EnvironmentMissing
from lppack.stages.fetch import NotServed, TooLarge, fetch

KIB = 1 << 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose name has what has to be quoted in a URL."""
    made = tmp_path / "a folder 100%41"
    made.mkdir()
    return made


@pytest.mark.parametrize("size", [0, 1, KIB, 300 * KIB])
def test_a_file_of_a_folder(folder: Path, size: int) -> None:
    data = os.urandom(size)
    (folder / "x").write_bytes(data)
    for source in (f"{folder}", f"{folder}/", f"file://{quote(str(folder))}"):
        assert fetch(source, "x", size_max=max(size, 1)) == data


def test_a_file_that_is_too_large_is_not_kept(folder: Path) -> None:
    (folder / "x").write_bytes(bytes(KIB + 1))
    with pytest.raises(TooLarge, match="is larger than 1 KiB") as caught:
        fetch(str(folder), "x", size_max=KIB)
    assert isinstance(caught.value, AnswerIsNo)
    assert caught.value.hint


def test_an_endless_file_is_cut() -> None:
    """/dev/zero is not even read: it is no ordinary file."""
    with pytest.raises(NotServed, match="is not an ordinary file"):
        fetch("/dev", "zero", size_max=KIB)


def test_what_is_not_there_is_told_from_what_cannot_be_read(folder: Path) -> None:
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "file").write_text("x")
    for name, absent in (
        ("none", True),
        ("folder", False),
        ("pipe", False),  # nobody writes to it: it is not waited for
        ("file/x", False),
    ):
        with pytest.raises(NotServed) as caught:
            fetch(str(folder), name, size_max=KIB)
        assert isinstance(caught.value, EnvironmentMissing)
        assert (caught.value.absent, caught.value.kind) == (absent, "not-served"), name
        assert name in caught.value.message


class Answers(http.server.BaseHTTPRequestHandler):
    """/ok serves a body; /CODE answers with that code; /short hangs up before its end."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        code = int(name) if name.isdigit() else 200
        self.send_response(code)
        if code == 302:
            self.send_header("Location", "/ok")
        body = self.path.encode()
        self.send_header("Content-Length", str(len(body) + (name == "short")))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    made.server_close()


@pytest.mark.parametrize("name", ["ok", "a+b~1.lpp", "a b?c#d%41"])
def test_a_name_reaches_the_server_as_it_is(server: str, name: str) -> None:
    assert fetch(server, name, size_max=KIB) == f"/{quote(name)}".encode()


@pytest.mark.parametrize(
    ("name", "said", "absent"),
    [
        ("404", "the server says 404", True),
        ("500", "the server says 500", False),
        ("403", "the server says 403", False),
        ("302", "the server says 302", False),  # the source is that of the policy alone
        ("short", "closed the connection before", False),
    ],
)
def test_what_a_server_does_not_serve(server: str, name: str, said: str, absent: bool) -> None:
    with pytest.raises(NotServed, match=said) as caught:
        fetch(server, name, size_max=KIB)
    assert caught.value.absent is absent


def test_a_body_that_is_too_large_is_cut(server: str) -> None:
    with pytest.raises(TooLarge):
        fetch(server, "long", size_max=4)


@pytest.mark.parametrize("source", ["http://127.0.0.1:1", "http://[::1", "http://", "http://a:b/"])
def test_an_address_at_which_nobody_serves(source: str) -> None:
    with pytest.raises(NotServed) as caught:
        fetch(source, "x", size_max=KIB, seconds=20)
    assert not caught.value.absent


def test_nothing_of_a_fetch_is_left_behind(server: str) -> None:
    before = threading.active_count()
    with pytest.raises(TooLarge):
        fetch(server, "long", size_max=1)
    for thread in threading.enumerate():
        if thread.name.endswith("(read)"):
            thread.join(timeout=20)
    assert threading.active_count() <= before + 1, "of the server, one may end its answer still"
