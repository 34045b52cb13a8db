# SPDX-License-Identifier: MIT
"""Folded stacks: what they say, and that no file makes it say something else."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lppack.errors import ManifestError
from lppack.forecast import stacks
from lppack.forecast.stacks import StackCounts, Stacks, read_stacks

PERF = """\
web-10/11;main;read;entry_SYSCALL_64_after_hwframe;do_syscall_64;ksys_read;conn_get 30
web-10/11;main;work 60
web-10/11;main;read;entry_SYSCALL_64_after_hwframe;do_syscall_64;ksys_read 10
web-10/12;main;read;entry_SYSCALL_64_after_hwframe;do_syscall_64;conn_open;conn_get 5
web-10/12;main;work 95
kswapd0-55;ret_from_fork;kthread;kswapd 100
"""


def read(folder: Path, text: str | bytes, patched: tuple[str, ...] = ("conn_get",)) -> Stacks:
    file = folder / "s.folded"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_stacks(file, patched)


def thread(found: Stacks, tid: int | None) -> StackCounts:
    return next(seen for seen in found.threads if seen.tid == tid)


def test_each_thread_is_told_apart(tmp_path: Path) -> None:
    found = read(tmp_path, PERF, ("conn_get", "conn_open"))
    assert found.ids
    assert found.borders
    first, second, third = (thread(found, tid) for tid in (11, 12, 55))
    assert (first.comm, first.total, first.in_kernel, first.inside) == (
        "web",
        100,
        40,
        {"conn_get": 30},
    )
    assert second.inside == {"conn_open": 5}, "the outermost frame of the patched set"
    assert third.kthread
    assert not first.kthread


def test_frames_with_offsets_are_functions_and_the_border_may_be_cut_off(tmp_path: Path) -> None:
    """perf script -F +symoff; and tools that leave the entry's own frame out."""
    text = "web-1;do_syscall_64+0x5d;conn_open+0x12/0x40;conn_get+0x1 5\nweb-1;main 5\n"
    found = read(tmp_path, text, ("conn_get", "conn_open"))
    assert found.borders
    assert (thread(found, 1).in_kernel, thread(found, 1).inside) == (5, {"conn_open": 5})
    assert found.named == {"conn_get", "conn_open"}, "conn_get too, though it is not the outermost"


def test_lines_without_ids_are_of_all_threads_of_that_name(tmp_path: Path) -> None:
    found = read(tmp_path, "web;[unknown];conn_get 7\nweb;idle 3\njava main;conn_get 1\n")
    assert not found.ids
    assert not found.borders
    assert [(seen.comm, seen.tid, seen.total) for seen in found.threads] == [
        ("web", None, 10),
        ("java main", None, 1),
    ]


def test_a_thread_that_changes_its_name_is_one(tmp_path: Path) -> None:
    found = read(tmp_path, "sh-7;exec 2\nworker-7;conn_get 5\n")
    assert [(seen.comm, seen.total) for seen in found.threads] == [("worker", 7)]


def test_marks_of_other_tools_belong_to_no_name(tmp_path: Path) -> None:
    text = "a-1;read;conn_get_[k] 1\na-1;conn_open_[k];conn_get.cold_[k] 2\na-1;user 4\n"
    (seen,) = read(tmp_path, text).threads
    assert (seen.inside, seen.in_kernel) == ({"conn_get": 3}, 3)


def test_a_name_that_only_begins_alike_is_another_function(tmp_path: Path) -> None:
    (seen,) = read(
        tmp_path, "a-1;conn_get_slow 1\na-1;my_conn_get 1\na-1;conn_get.part.0 1\n"
    ).threads
    assert not seen.inside


def test_comments_blank_lines_and_line_ends(tmp_path: Path) -> None:
    (seen,) = read(tmp_path, "# perf\n\na-1;conn_get 1\r\na-1;x\t2").threads
    assert seen.total == 3


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a-1;f 1\nweb;f\n", 2, 1, "does not end in a blank and a count"),
        ("a-1;f -3\n", 1, 1, "does not end"),
        ("a-1;f 1.5\n", 1, 1, "does not end"),
        ("a-1;f 1e9\n", 1, 1, "does not end"),
        ("a-1;f 9007199254740993\n", 1, 7, "the count is above"),
        ("a-1;f " + "9" * 5000, 1, 7, "the count is above"),
        ("a-1 7\n", 1, 1, "names no thread, or no frame"),
        (";f 7\n", 1, 1, "names no thread"),
        ("", 1, 1, "holds no folded stack"),
        ("a-1;f 0\n", 1, 1, "holds no folded stack"),
        (b"a-1;f 1\na-\xff1;f 1\n", 2, 3, "is not UTF-8"),
        ("a-1;f\x1b[31m 1\n", 1, 6, "holds '\\x1b'"),
        ("a-1;f\0 1\n", 1, 6, "holds '\\x00'"),
        ("a-1;" + "f;" * 40_000 + "f 1", 1, 1, "longer than 64 KiB"),
    ],
)
def test_what_is_no_folded_stack_is_refused_with_its_place(
    tmp_path: Path, text: str | bytes, line: int, column: int, words: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, text)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (line, column)
    assert words in problem.message
    assert problem.file.endswith("s.folded")


def test_many_faults_are_told_at_once_but_not_all(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, "bad\n" * 100)
    assert [problem.line for problem in caught.value.problems] == list(range(1, 11))


def test_files_that_are_none(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name, words in (
        ("gone", "No such file"),
        ("pipe", "is not an ordinary file"),
        ("loop", "cannot be read"),
        (".", "cannot be read"),
    ):
        with pytest.raises(ManifestError, match=words):
            read_stacks(tmp_path / name, ())


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "s").open("wb") as file:
        file.truncate(stacks.SIZE_MAX + 1)
    with pytest.raises(ManifestError, match="is larger than 256 MiB"):
        read_stacks(tmp_path / "s", ())


@given(st.one_of(st.binary(max_size=300), st.text("a-1;f \n[k]_0?/é", max_size=80)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_stacks_or_are_refused(tmp_path: Path, text: bytes | str) -> None:
    try:
        found = read(tmp_path, text)
    except ManifestError:
        return
    for seen in found.threads:
        assert 0 <= sum(seen.inside.values()) <= seen.in_kernel <= seen.total
