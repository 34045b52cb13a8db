# SPDX-License-Identifier: MIT
"""What lppack overwrites in a folder of the user's: only what is its own, and as it left it."""

import errno
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lppack import store
from lppack.errors import EnvironmentMissing
from lppack.written import RECORD, Written

FIRST = {"manifest.yaml": b"one", "a.c": b"c"}


def put(folder: Path, files: dict[str, bytes], *, force: bool = False, by: str = "draft") -> None:
    Written(folder, force=force, by=by).put(files)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name != RECORD
    }


def test_what_nobody_has_changed_is_replaced(tmp_path: Path) -> None:
    put(tmp_path / "new", FIRST)
    put(tmp_path / "new", {"manifest.yaml": b"two", "load/b.c": b"b"})
    assert files(tmp_path / "new") == {"manifest.yaml": b"two", "load/b.c": b"b"}, "a.c is stale"


def test_what_the_user_has_changed_stays(tmp_path: Path) -> None:
    put(tmp_path, FIRST)
    (tmp_path / "a.c").write_bytes(b"my work")
    before = files(tmp_path)
    for wanted in (FIRST, {"manifest.yaml": b"two"}):
        with pytest.raises(EnvironmentMissing, match=r"a\.c exists, and was changed") as caught:
            put(tmp_path, wanted)
        assert "--force" in str(caught.value.hint)
        assert files(tmp_path) == before, "nothing was written"
    put(tmp_path, FIRST, force=True)
    assert files(tmp_path) == FIRST


def test_what_is_not_lppacks_stays(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_bytes(b"foreign")
    with pytest.raises(EnvironmentMissing, match="was not written by lppack"):
        put(tmp_path, FIRST)
    assert files(tmp_path) == {"a.c": b"foreign"}


def test_files_beside_it_are_nobodys_concern(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"mine")
    put(tmp_path, FIRST)
    put(tmp_path, FIRST)
    assert files(tmp_path) == {**FIRST, "notes.txt": b"mine"}


def test_what_the_user_has_removed_comes_again(tmp_path: Path) -> None:
    put(tmp_path, FIRST)
    (tmp_path / "a.c").unlink()
    put(tmp_path, FIRST)
    assert files(tmp_path) == FIRST


def test_it_is_known_before_the_work(tmp_path: Path) -> None:
    put(tmp_path, FIRST)
    Written(tmp_path, force=False, by="draft").check(frozenset(FIRST))
    (tmp_path / "README.md").write_bytes(b"mine")
    with pytest.raises(EnvironmentMissing, match=r"README\.md"):
        Written(tmp_path, force=False, by="draft").check(frozenset(("README.md",)))


def test_a_record_leads_nowhere_else(tmp_path: Path) -> None:
    """It may come with a patch that somebody sent."""
    folder, other = tmp_path / "in", tmp_path / "other"
    put(tmp_path, {"other": b"x"})
    folder.mkdir()
    record = (tmp_path / RECORD).read_text()
    (folder / RECORD).write_text(record.replace('"other"', '"../other"'))
    put(folder, FIRST)
    assert other.read_bytes() == b"x"
    (folder / RECORD).write_text('{"draft": ["a.c"]}')
    with pytest.raises(EnvironmentMissing):
        put(folder, FIRST)
    (folder / RECORD).write_text("[]")
    with pytest.raises(EnvironmentMissing):
        put(folder, FIRST)


def test_a_link_is_the_users(tmp_path: Path) -> None:
    (tmp_path / "a.c").symlink_to(tmp_path / "nowhere")
    with pytest.raises(EnvironmentMissing):
        put(tmp_path, FIRST)


def test_what_another_command_wrote_stays(tmp_path: Path) -> None:
    """generate -o PATCH once removed the manifest that new had written."""
    put(tmp_path, FIRST, by="new")
    put(tmp_path, {"lp_glue.c": b"glue"}, by="generate")
    assert files(tmp_path) == {**FIRST, "lp_glue.c": b"glue"}
    put(tmp_path, {"manifest.yaml": b"three"}, by="new")
    assert files(tmp_path) == {"manifest.yaml": b"three", "lp_glue.c": b"glue"}
    with pytest.raises(EnvironmentMissing, match="was not written by lppack generate"):
        put(tmp_path, {"manifest.yaml": b"other"}, by="generate")
    put(tmp_path, {"manifest.yaml": b"other"}, by="generate", force=True)
    put(tmp_path, {"a.c": b"c"}, by="new")
    assert files(tmp_path) == {"manifest.yaml": b"other", "a.c": b"c"}, "it is generate's now"


def in_a_file(top: Path) -> Path:
    (top / "file").write_text("mine")
    return top / "file/sub/folder"


def with_a_long_name(top: Path) -> Path:
    return top / ("x" * 300)


def of_the_kernel(_top: Path) -> Path:
    return Path("/proc/lppack-new")


@pytest.mark.parametrize("folder", [in_a_file, with_a_long_name, of_the_kernel])
def test_a_folder_that_cannot_be_made_is_refused(
    folder: Callable[[Path], Path], tmp_path: Path
) -> None:
    before = folder(tmp_path)
    for force in (False, True):
        with pytest.raises(EnvironmentMissing, match="cannot write to") as caught:
            put(before, FIRST, force=force)
        assert caught.value.hint == "give another folder"
    assert files(tmp_path) in ({}, {"file": b"mine"})


def test_a_folder_that_may_not_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lppack.written.os.access", lambda *_: False)  # root may on most disks
    with pytest.raises(EnvironmentMissing, match="no permission to write to"):
        Written(tmp_path / "new", force=False, by="draft").check()


def test_a_full_disk_leaves_nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "old", FIRST)
    write = store.write_atomic

    def full(path: Path, data: bytes) -> None:
        if path.name == "b.c":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, data)

    monkeypatch.setattr(store, "write_atomic", full)
    for folder in ("new/deep", "old"):
        with pytest.raises(EnvironmentMissing, match="No space left on device"):
            put(tmp_path / folder, {"n.c": b"n", "load/b.c": b"b"})
    assert not (tmp_path / "new").exists()
    assert files(tmp_path / "old") == FIRST
    monkeypatch.undo()
    put(tmp_path / "old", {"n.c": b"n"})


def test_new_has_no_o() -> None:
    for by, words in (("new", "folder, or --force"), ("draft", "folder after -o, or --force")):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "a.c").write_text("mine")
            with pytest.raises(EnvironmentMissing) as caught:
                put(Path(folder), FIRST, by=by)
        assert words in str(caught.value.hint)
