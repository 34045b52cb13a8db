# SPDX-License-Identifier: MIT
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lppack import entries, store
from lppack.errors import EnvironmentMissing


@pytest.fixture(autouse=True)
def _nothing_held() -> Iterator[None]:
    entries.release()
    yield
    entries.release()


class Maker:
    """Fills an entry, and counts."""

    def __init__(self) -> None:
        self.made = 0

    def folder(self, draft: Path) -> None:
        self.made += 1
        (draft / "sub").mkdir()
        (draft / "sub/file").write_text("right")
        (draft / "link").symlink_to("sub/file")
        (draft / "other").write_text("as well")

    def file(self, draft: Path) -> None:
        self.made += 1
        draft.write_text("right")


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    maker = Maker()
    for _ in range(2):
        entries.ensure(tmp_path / "kind/entry", maker.folder)
        entries.ensure_file(tmp_path / "kind/file", maker.file)
        entries.release()
    assert maker.made == 2
    assert not entries.faults(tmp_path / "kind/entry", deep=True)
    assert not entries.faults(tmp_path / "kind/file", deep=True)


def flip(path: Path) -> None:
    path.write_bytes(b"wrong")


def cut(path: Path) -> None:
    path.write_bytes(b"")


def drop(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("harm", [flip, cut, drop])
@pytest.mark.parametrize(
    "name", ["entry/sub/file", f"entry/{entries.RECORD}", "file", ".file.sums"]
)
def test_a_damaged_entry_is_made_again(
    tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    maker = Maker()
    entries.ensure(tmp_path / "entry", maker.folder)
    entries.ensure_file(tmp_path / "file", maker.file)
    entries.release()
    harm(tmp_path / name)
    entries.ensure(tmp_path / "entry", maker.folder)
    entries.ensure_file(tmp_path / "file", maker.file)
    assert maker.made == 3
    assert (tmp_path / "entry/sub/file").read_text() == "right"
    assert (tmp_path / "file").read_text() == "right"
    assert not list(tmp_path.glob(f"{store.DRAFT}*"))


def test_what_keeps_its_time_is_found_by_its_digest_alone(tmp_path: Path) -> None:
    entry = entries.ensure(tmp_path / "entry", Maker().folder)
    file = entry / "sub/file"
    before = file.stat()
    flip(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not entries.faults(entry)
    assert entries.faults(entry, deep=True) == [f"{file}: its digest differs"]
    (entry / "new").touch()
    assert f"{entry / 'new'}: not recorded" in entries.faults(entry, deep=True)


def test_a_copy_of_the_cache_is_as_good(tmp_path: Path) -> None:
    entry = entries.ensure(tmp_path / "entry", Maker().folder)
    for file in (entry / "sub/file", entry / "other"):
        os.utime(file, (1, 1))
    assert not entries.faults(entry)


def test_only_some_files_are_compared(tmp_path: Path) -> None:
    maker = Maker()
    entry = entries.ensure(tmp_path / "entry", maker.folder, only="other")
    flip(entry / "sub/file")
    entries.release()
    entries.ensure(entry, maker.folder, only="other")
    assert maker.made == 1
    flip(entry / "other")
    entries.release()
    entries.ensure(entry, maker.folder, only="other")
    assert maker.made == 2


def test_what_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    def fail(draft: Path) -> None:
        (draft / "half").touch()
        raise ValueError

    with pytest.raises(ValueError):
        entries.ensure(tmp_path / "entry", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".entry.lock"]


def test_a_place_that_is_taken_is_said(tmp_path: Path) -> None:
    (tmp_path / "kind").touch()
    with pytest.raises(EnvironmentMissing, match="kind: File exists") as caught:
        entries.ensure(tmp_path / "kind/entry", Maker().folder)
    assert "XDG_CACHE_HOME" in str(caught.value.hint)


def _use_until_told(path: Path, tell: "multiprocessing.connection.Connection") -> None:
    entries.release()
    tell.send(entries.use(path))
    tell.recv()
    tell.send((path / "sub/file").read_text())


def test_what_is_used_is_neither_removed_nor_pulled_away(tmp_path: Path) -> None:
    maker = Maker()
    entry = entries.ensure(tmp_path / "entry", maker.folder)
    entries.release()
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe()
    child = context.Process(target=_use_until_told, args=(entry, theirs))
    child.start()
    try:
        assert mine.recv() is True
        assert not entries.remove(entry)
        assert (entry / "sub/file").read_text() == "right"
        mine.send("read")
        assert mine.recv() == "right"
    finally:
        child.join(30)
    assert entries.remove(entry)
    assert list(tmp_path.iterdir()) == []
    assert entries.remove(entry), "another process was faster"


def test_what_is_being_made_is_not_swept(tmp_path: Path) -> None:
    def make(draft: Path) -> None:
        store.sweep(tmp_path)
        Maker().folder(draft)

    entries.ensure(tmp_path / "entry", make)
    shutil.copytree(tmp_path / "entry", tmp_path / f"{store.DRAFT}left")
    (tmp_path / f"{store.DRAFT}file").touch()
    store.sweep(tmp_path)
    assert not list(tmp_path.glob(f"{store.DRAFT}*"))
