# SPDX-License-Identifier: MIT
"""The units for systemd, by its own checker."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.command import ROOT

UNITS = sorted((ROOT / "fleet/systemd").glob("lppack-*"))

pytestmark = pytest.mark.slow


def verify(folder: Path, text: str, name: str) -> "subprocess.CompletedProcess[str]":
    """As if lppack were installed where systemd looks for programs."""
    program = Path(sys.executable).parent / "lppack"
    text = text.replace("ExecStart=lppack", f"ExecStart={program}")
    (folder / name).write_text(text)
    words = ["systemd-analyze", "verify", "--man=no", str(folder / name)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_it(unit: Path, tmp_path: Path) -> None:
    for other in UNITS:
        verify(tmp_path, other.read_text(), other.name)
    done = verify(tmp_path, unit.read_text(), unit.name.replace("@", "@kpatch-fix"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["lppack-agent", "lppack-adopt@"])
def test_no_reversal_is_killed_half_way(name: str) -> None:
    """A policy may allow a transition an hour, and its reversal as long again."""
    lines = (ROOT / f"fleet/systemd/{name}.service").read_text().splitlines()
    assert {"TimeoutStartSec=infinity", "TimeoutStopSec=infinity"} <= set(lines)
    assert not [line for line in lines if line.startswith(("KillMode=", "RuntimeMaxSec="))]


def test_a_boot_removes_what_was_written_before_it(tmp_path: Path) -> None:
    """By systemd itself; another cleaning up, as when a package is installed, does not."""
    folder = tmp_path / "var/lib/prometheus/node-exporter"
    folder.mkdir(parents=True)
    for name in ("lppack.prom", "lppack-agent.prom", "other.prom"):
        (folder / name).write_text("")
    conf = ROOT / "fleet/tmpfiles/lppack.conf"
    words = ["systemd-tmpfiles", f"--root={tmp_path}", "--remove"]
    subprocess.run([*words, str(conf)], check=True, timeout=60)
    assert len(list(folder.iterdir())) == 3
    subprocess.run([*words, "--boot", str(conf)], check=True, timeout=60)
    assert [file.name for file in folder.iterdir()] == ["other.prom"]
    for unit in UNITS:  # all that a unit writes there
        for file in re.findall(r"-o (/\S+[.]prom)", unit.read_text()):
            assert f"r! {file}\n" in conf.read_text()


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    for unit in UNITS:
        wrong = unit.read_text().replace("ExecStart=", "ExcStart=").replace("OnBoot", "OnBot")
        assert verify(tmp_path, wrong, unit.name).stderr, unit.name
    assert {unit.stem for unit in UNITS} == {"lppack-adopt@", "lppack-agent", "lppack-metrics"}
