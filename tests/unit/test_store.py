# SPDX-License-Identifier: MIT
import multiprocessing
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lppack import store


class Stop(Exception):
    pass


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_directories_follow_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable, directory in (
        ("XDG_CACHE_HOME", store.cache_dir),
        ("XDG_STATE_HOME", store.state_dir),
        ("XDG_RUNTIME_DIR", store.run_dir),
    ):
        monkeypatch.setenv(variable, str(tmp_path / variable))
        assert directory() == tmp_path / variable / "lppack"


def test_what_is_written_is_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/file"
    store.write_atomic(path, b"one")
    store.write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert names(path.parent) == ["file"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        store.write_atomic(path, "text, not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_write_onto_a_directory_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    with pytest.raises(OSError, match="directory"):
        store.write_atomic(tmp_path / "dir", b"x")
    assert names(tmp_path) == ["dir"]


def test_a_directory_appears_whole(tmp_path: Path) -> None:
    with store.directory_atomic(tmp_path / "deep/made") as draft:
        (draft / "a").write_text("a")
        assert not (tmp_path / "deep/made").exists()
    assert names(tmp_path / "deep") == ["made"]
    assert (tmp_path / "deep/made/a").read_text() == "a"
    assert stat.S_IMODE((tmp_path / "deep/made").stat().st_mode) == 0o755


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt])
def test_a_directory_does_not_appear_in_part(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), store.directory_atomic(tmp_path / "made") as draft:
        (draft / "a").write_text("a")
        raise error
    assert names(tmp_path) == []


def test_the_directory_that_was_first_is_kept(tmp_path: Path) -> None:
    with store.directory_atomic(tmp_path / "made") as draft:
        (draft / "mine").touch()
        (tmp_path / "made").mkdir()
        (tmp_path / "made/theirs").touch()
    assert names(tmp_path) == ["made"]
    assert names(tmp_path / "made") == ["theirs"]


def test_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "made").write_text("in the way")
    with pytest.raises(OSError, match="directory"), store.directory_atomic(tmp_path / "made"):
        pass
    assert names(tmp_path) == ["made"]


def _add(counter: str, lock: str) -> None:
    for _ in range(50):
        with store.locked(Path(lock)):
            path = Path(counter)
            path.write_text(str(int(path.read_text()) + 1))


def test_one_process_at_a_time_is_inside_a_lock(tmp_path: Path) -> None:
    (tmp_path / "counter").write_text("0")
    context = multiprocessing.get_context("fork")
    words = (str(tmp_path / "counter"), str(tmp_path / "sub/lock"))
    children = [context.Process(target=_add, args=words) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
    assert [child.exitcode for child in children] == [0, 0, 0, 0]
    assert (tmp_path / "counter").read_text() == "200"


def test_a_lock_ends_with_its_block(tmp_path: Path) -> None:
    with pytest.raises(Stop), store.locked(tmp_path / "lock"):
        raise Stop
    with store.locked(tmp_path / "lock"):
        pass


def test_the_journal_has_one_line_for_each(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store.journal("guest", "one")
    store.journal("container", "two words")
    lines = (tmp_path / "lppack/journal.log").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["guest one", "container two words"]


def test_the_folder_of_a_process_that_was_killed_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    script = (
        "import time; from lppack import store\n"
        "with store.scratch() as folder:\n"
        "    (folder / 'file').touch(); print(folder, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    try:
        with store.scratch() as mine:
            store.sweep_scratch()
            assert {folder, mine} == set(tmp_path.iterdir()), "both are in use"
        assert not mine.exists()
        assert (folder / "file").exists()
    finally:
        process.kill()
        process.communicate()
    store.sweep_scratch()
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_a_full_disk_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("wb", 0) as full:
        monkeypatch.setattr(Path, "write_bytes", lambda *_: full.write(b"data"))
        with pytest.raises(OSError, match="No space left") as caught:
            store.write_atomic(tmp_path / "a", b"data")
    assert caught.value.filename == str(tmp_path / "a")
    assert names(tmp_path) == []
