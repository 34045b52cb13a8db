# SPDX-License-Identifier: MIT
"""What runs on the far side of ssh, run by a shell of this machine."""

import errno
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from lppack.hosts import far_side
from lppack.hosts.framed import Framed

NUMBER = "ab" * 16


def answered(request: str, data: bytes = b"", *, serve: bool = True) -> tuple[int, str, str]:
    """Exit code, output and errors of one request, as ssh would have the login shell run it."""
    line = far_side.serve(sudo=False) if serve else far_side.once(request, sudo=False)
    given = f"{request}\n".encode() if serve else data
    done = subprocess.run(["sh", "-c", line], input=given, capture_output=True, timeout=60)
    out, err = Framed(NUMBER, 1 << 20), Framed(NUMBER, 1 << 20)
    out.feed(done.stdout)
    err.feed(done.stderr)
    assert out.done and err.done and out.rc is not None
    assert out.boot == Path(far_side.BOOT_ID).read_text().strip()
    return out.rc, out.text, err.text


@pytest.mark.parametrize(
    "word",
    [
        "plain",
        "",
        " a  b ",
        "it's",
        '"$HOME" `id` $(id) \\',
        "two\nlines\n",
        "\n",
        "'\n'",
        "-n",
        "*",
        "; exit 1",
        "\u00e9\t",
    ],
)
def test_a_word_arrives_as_it_is(word: str) -> None:
    rc, out, _ = answered(far_side.request(NUMBER, 5, ["printf", "%s|", word, "end"]))
    assert (rc, out) == (0, f"{word}|end|")


def test_a_request_is_one_line() -> None:
    assert "\n" not in far_side.request(NUMBER, 5, ["sh", "-c", "a\nb\n", "\n"])


@pytest.mark.parametrize(
    ("argv", "rc", "said"),
    [
        (["sh", "-c", "echo no >&2; exit 3"], 3, "no\n"),
        (["no-such-program"], 127, ""),
        (["sh", "-c", "kill -9 $$"], 137, ""),
        (["sleep", "60"], 124, ""),
    ],
)
def test_how_it_ended_is_told(argv: list[str], rc: int, said: str) -> None:
    found = answered(far_side.request(NUMBER, 0.2 if argv[0] == "sleep" else 5, argv))
    assert found[0] == rc
    assert said in found[2]


def test_one_request_after_the_other_and_none_reads_the_next_ones_line() -> None:
    requests = [
        far_side.request("1" * 32, 5, ["cat"]),
        far_side.request("2" * 32, 5, ["printf", "x"]),
    ]
    done = subprocess.run(
        ["sh", "-c", far_side.serve(sudo=False)],
        input="".join(f"{line}\n" for line in requests).encode(),
        capture_output=True,
        timeout=60,
    )
    assert done.stdout.count(b" begin") == done.stdout.count(b" end 0 ") == 2
    assert b"\nx\n" in done.stdout


def put(path: Path, data: bytes, size: int | None = None, mode: str = "640") -> tuple[int, str]:
    words = ["sh", "-c", far_side.PUT, "sh", str(path), str(len(data) if size is None else size)]
    request = far_side.request(NUMBER, 10, [*words, mode])
    rc, _, err = answered(request, data, serve=False)
    return rc, err


@pytest.mark.parametrize("data", [b"", b"hello", os.urandom(200_000)])
def test_a_file_is_put_whole(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a folder/it's here"
    assert put(path, data)[0] == 0
    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o640
    assert [*path.parent.iterdir()] == [path]


def test_what_is_cut_off_on_its_way_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("before")
    assert put(path, b"half", size=8)[0] == 1
    assert path.read_text() == "before"
    assert [*tmp_path.iterdir()] == [path]


def test_a_small_file_goes_in_the_request(tmp_path: Path) -> None:
    path = tmp_path / "x"
    words = ["sh", "-c", far_side.PUT_SMALL, "sh", str(path), "3", "600", "AP8K"]
    assert answered(far_side.request(NUMBER, 10, words))[0] == 0
    assert path.read_bytes() == b"\x00\xff\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_to_write_is_one_write_of_a_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "attribute"
    words = ["sh", "-c", far_side.WRITE, "sh", str(path), "1 %s\n"]
    rc, _, err = answered(far_side.request(NUMBER, 10, words))
    assert rc != 0 and far_side.errno_of(err) == errno.ENOENT
    assert not path.exists()
    path.write_text("")
    assert answered(far_side.request(NUMBER, 10, words))[0] == 0
    assert path.read_text() == "1 %s\n"


def test_what_it_is_and_what_it_lacks() -> None:
    rc, out, _ = answered(far_side.request(NUMBER, 10, ["sh", "-c", far_side.HELLO]))
    assert rc == 0 or out
    user, system, *lacks = out.splitlines()
    assert (int(user), system, "".join(lacks)) == (os.getuid(), "Linux", "")
    bare = f'command() {{ [ "$2" != flock ]; }}\n{far_side.HELLO}'
    _, out, _ = answered(far_side.request(NUMBER, 10, ["sh", "-c", bare]))
    assert out.splitlines()[2].strip() == "flock"


def test_a_lock_is_held_as_long_as_lines_come(tmp_path: Path) -> None:
    path = tmp_path / "run dir/lock"
    line = far_side.hold(NUMBER, str(path), '{"command": "x", "lock_pid": ', sudo=False)
    first = subprocess.Popen(
        ["sh", "-c", line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdin and first.stdout
    assert [first.stdout.readline() for _ in range(2)] == ["\n", f"{NUMBER} begin\n"]
    assert path.read_text().startswith('{"command": "x", "lock_pid": ')
    second = subprocess.run(
        ["sh", "-c", line], input="", capture_output=True, text=True, timeout=30
    )
    assert second.returncode != 0 and "begin" not in second.stdout, "one has it"
    first.stdin.close()
    assert first.wait(timeout=30) == 0
    first.stdout.close()
    assert path.read_text() == "", "and its name went with it"


def test_sudo_stands_before_all_of_it() -> None:
    for line in (
        far_side.serve(sudo=True),
        far_side.once("x", sudo=True),
        far_side.hold(NUMBER, "/x", "{", sudo=True),
    ):
        assert shlex.split(line)[:5] == ["exec", "sudo", "-n", "--", "sh"]


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("cat: /x: No such file or directory\n", errno.ENOENT),
        ("dd: error writing '/x': Device or resource busy\n1+0 records\n", errno.EBUSY),
        ("sh: 1: cannot create /x: Directory nonexistent", errno.ENOENT),
        ("cat: /x: Permission denied", errno.EACCES),
        ("dd: closing output file '/x': Invalid argument", errno.EINVAL),
        ("No such file or directory: but not at its end", None),
        ("it works: Success", None),
        ("", None),
    ],
)
def test_the_error_that_a_program_names(said: str, number: int | None) -> None:
    assert far_side.errno_of(said) == number
