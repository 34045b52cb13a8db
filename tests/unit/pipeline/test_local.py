# SPDX-License-Identifier: MIT
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lppack.errors import EnvironmentMissing
from lppack.pipeline import local
from tests.kit.command import ROOT, heed_ctrl_c


def work(item: str) -> str:
    kind, _, rest = item.partition(" ")
    if kind == "raise":
        raise ValueError(rest)
    if kind == "leave":
        os._exit(3)
    if kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return f"did {rest}"


def run(items: list[str], jobs: int = 2) -> dict[str, str | BaseException]:
    return dict(local.run(work, items, jobs=jobs, on_start=lambda _item: None))


def test_each_item_has_its_result() -> None:
    items = [f"do {number}" for number in range(9)]
    assert run(items) == {item: f"did {item[3:]}" for item in items}
    assert run([]) == {}


def test_one_that_dies_or_fails_costs_only_itself() -> None:
    found = run(["do a", "die b", "raise c", "do d", "leave e"])
    assert (found["do a"], found["do d"]) == ("did a", "did d")
    assert isinstance(found["die b"], EnvironmentMissing)
    assert "signal 9" in str(found["die b"])
    assert "ValueError: c" in str(found["raise c"])
    assert "ended with exit code 3" in str(found["leave e"])


def slow(item: Path) -> int:
    (item.parent / "running").mkdir(exist_ok=True)
    mine = item.parent / "running" / item.name
    mine.touch()
    time.sleep(0.1)
    count = len(list((item.parent / "running").iterdir()))
    mine.unlink()
    return count


@pytest.mark.parametrize("jobs", [1, 3])
def test_no_more_at_once_than_was_said(jobs: int, tmp_path: Path) -> None:
    items = [tmp_path / str(number) for number in range(6)]
    counts = [n for _, n in local.run(slow, items, jobs=jobs, on_start=lambda _item: None)]
    assert max(n for n in counts if isinstance(n, int)) <= jobs


_SCRIPT = """
import os, sys, time
from lppack.pipeline import local
from tests.kit.command import ROOT, heed_ctrl_c
def work(number):
    try:
        open(f"{sys.argv[1]}/{os.getpid()}", "w").close()
        time.sleep(60)
    finally:
        open(f"{sys.argv[1]}/{os.getpid()}.cleaned", "w").close()
try:
    list(local.run(work, [1, 2, 3], jobs=2, on_start=lambda n: None))
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_run(tmp_path: Path, number: signal.Signals) -> None:
    words = [sys.executable, "-c", _SCRIPT, str(tmp_path)]
    process = subprocess.Popen(words, cwd=ROOT, preexec_fn=heed_ctrl_c)
    try:
        end = time.monotonic() + 30
        while len(list(tmp_path.iterdir())) < 2:
            assert time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(30) == (130 if number == signal.SIGINT else -9)
    finally:
        process.kill()
    pids = [int(path.name) for path in tmp_path.iterdir() if path.name.isdigit()]
    while any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids):
        assert time.monotonic() < end, "they go on"
        time.sleep(0.05)
    assert len(list(tmp_path.glob("*.cleaned"))) == len(pids) == 2
