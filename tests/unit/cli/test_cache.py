# SPDX-License-Identifier: MIT
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack import entries, store
from tests.kit.command import Ran, check_shape, lppack


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    home = store.cache_dir()
    for name, days in (("old", 40), ("new", 1)):
        entry = entries.ensure(
            home / "modules" / name, lambda draft: (draft / "x.ko").write_bytes(b"x" * 1000)
        )
        then = time.time() - days * 86400
        for path in (entry, entries.record_of(entry)):
            os.utime(path, (then, then))
    entries.ensure_file(home / "vmlinux/6.1", lambda draft: draft.write_bytes(b"y" * 3000))
    entries.release()
    yield home
    entries.release()


def run(*words: str) -> Ran:
    return lppack("cache", *words)


def names(ran: Ran, key: str) -> list[str]:
    check_shape("cache", ran.json)
    return [Path(entry["path"]).name for entry in ran.json[key]]


def test_what_there_is(cache: Path) -> None:
    shown = run()
    assert shown.rc == 0
    rows = [line.split() for line in shown.out.splitlines()]
    assert rows[1][:4] == ["modules", "2", "2", "KB"]
    assert rows[2][:4] == ["vmlinux", "1", "3", "KB"]
    assert rows[3][:2] == ["all", "3"]
    assert sorted(names(run("--format", "json"), "entries")) == ["6.1", "new", "old"]


def test_an_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run().out.splitlines()[1].split() == ["all", "0", "0", "B"]


def test_damage_is_said_and_removed(cache: Path) -> None:
    assert run("--verify").rc == 0
    (cache / "modules/old/x.ko").write_bytes(b"z" * 1000)
    said = run("--verify", "--format", "json")
    assert said.rc == 9
    assert said.json["ok"] is False
    assert said.json["damaged"] == [f"{cache}/modules/old/x.ko: its digest differs"]
    assert "--verify --prune" in said.json["error"]["hint"]
    assert (cache / "modules/old").exists(), "only looked at"
    pruned = run("--verify", "--prune", "--format", "json")
    assert pruned.rc == 0
    assert names(pruned, "removed") == ["old"]
    assert not (cache / "modules/old").exists()


def test_what_is_old_goes(cache: Path) -> None:
    (cache / f"modules/{store.DRAFT}left").mkdir()
    assert names(run("--prune", "--older", "30d", "--format", "json"), "removed") == ["old"]
    assert sorted(path.name for path in (cache / "modules").iterdir()) == [".new.lock", "new"]


def test_the_longest_unused_go_first(cache: Path) -> None:
    assert names(run("--prune", "--max-size", "4.5K", "--format", "json"), "removed") == ["old"]
    assert names(run("--prune", "--max-size", "0", "--format", "json"), "removed") == ["new", "6.1"]


def test_what_is_in_use_stays(cache: Path) -> None:
    assert entries.use(cache / "modules/old")
    then = time.time() - 40 * 86400
    os.utime(cache / "modules/old", (then, then))
    os.utime(entries.record_of(cache / "modules/old"), (then, then))
    ran = run("--prune", "--older", "30d", "--format", "json")
    assert ran.rc == 0
    assert ran.json["in_use"] == [f"{cache}/modules/old"]
    assert names(ran, "removed") == []
    assert (cache / "modules/old/x.ko").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--prune",), "--prune needs --older, --max-size or --verify"),
        (("--older", "3d"), "--older and --max-size require --prune"),
        (("--prune", "--older", "3 days"), '"3 days" is not a time like 30d'),
        (("--prune", "--max-size", "20GB"), '"20GB" is not a size like 20G'),
    ],
)
def test_what_makes_no_sense(cache: Path, words: tuple[str, ...], said: str) -> None:
    ran = run(*words)
    assert ran.rc == 2
    assert said in ran.err
