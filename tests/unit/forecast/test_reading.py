# SPDX-License-Identifier: MIT
"""Lines of files that other tools have written: hostile input, refused with its place."""

import os
from pathlib import Path

import pytest

from lppack.errors import ManifestError, Problem
from lppack.forecast.reading import FAULTS_MAX, LINE_MAX, Faults, lines_of


def read(path: Path, size_max: int = 1 << 20) -> list[tuple[int, str]]:
    faults = Faults(path, "rule")
    found = [*lines_of(path, faults, size_max=size_max)]
    faults.refuse()
    return found


def refused(path: Path, size_max: int = 1 << 20) -> tuple[Problem, ...]:
    with pytest.raises(ManifestError) as caught:
        read(path, size_max)
    assert {(one.file, one.rule) for one in caught.value.problems} == {(str(path), "rule")}
    return caught.value.problems


def file(folder: Path, data: bytes) -> Path:
    path = folder / "x"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [(1, "")]),
        (b"a\nb", [(1, "a"), (2, "b")]),  # the last line may lack its end
        (b"a\r\nb\r\n", [(1, "a"), (2, "b")]),
        (b"a\tb \n", [(1, "a b ")]),
        ("\u00e9\n".encode(), [(1, "\u00e9")]),
        (b"x" * LINE_MAX, [(1, "x" * LINE_MAX)]),
    ],
)
def test_lines_have_their_numbers(
    tmp_path: Path, data: bytes, lines: list[tuple[int, str]]
) -> None:
    assert read(file(tmp_path, data)) == lines


@pytest.mark.parametrize(
    ("data", "line", "column", "message"),
    [
        (b"a\nb\xff\n", 2, 2, "is not UTF-8"),
        (b"a\x1b[31m\n", 1, 2, "holds '\\x1b'"),
        (b"ok\n\n\tb\x00\n", 3, 3, "holds '\\x00'"),
        ("ab\u202e\n".encode(), 1, 3, "holds '\\u202e'"),
        (b"x" * (LINE_MAX + 1), 1, 1, "is longer than 64 KiB"),
    ],
)
def test_what_is_no_line_is_named_with_its_place(
    tmp_path: Path, data: bytes, line: int, column: int, message: str
) -> None:
    [problem] = refused(file(tmp_path, data))
    assert (problem.line, problem.column, problem.message) == (line, column, message)


def test_faults_are_told_together_but_not_without_end(tmp_path: Path) -> None:
    assert len(refused(file(tmp_path, b"\xff\n" * 3))) == 3
    assert len(refused(file(tmp_path, b"\xff\n" * 5000))) == FAULTS_MAX


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as sparse:
        sparse.truncate((1 << 20) + 1)
    [problem] = refused(path)
    assert problem.message == "is larger than 1 MiB"
    assert problem.hint


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # nobody writes to it: it is not waited for
    for path, message in (
        (tmp_path / "pipe", "is not an ordinary file"),
        (tmp_path, "cannot be read: Is a directory"),
        (Path("/dev/zero"), "is not an ordinary file"),
        (tmp_path / "none", "cannot be read: No such file or directory"),
    ):
        [problem] = refused(path)
        assert problem.message == message


def test_without_faults_nothing_is_refused() -> None:
    Faults(Path("x"), "rule").refuse()
