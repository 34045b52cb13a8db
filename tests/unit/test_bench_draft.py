# SPDX-License-Identifier: MIT
"""What `invoke bench draft` counts with, without a kernel: CPU seconds, disk, objects, limits."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.draft import FIXES, line, ratio, verdict
from benchmarks.klp_build import CONFIG, First, compiled
from benchmarks.spent import Disk, Group, Spent, engine_seconds, run, used
from lppack import resources

FIRST = First(
    seconds=600.0,
    objects=1000,
    disk=1,
    day="2026-11-29",
    source="linux-source-7.2 7.2.12-1",
    compiler="gcc",
)


def spent(process: float, containers: float) -> Spent:
    return Spent(process=process, containers=containers, engine=100.0)


def test_a_control_group_of_version_1(tmp_path: Path) -> None:
    (tmp_path / "cpuacct").mkdir()
    with Group("bench", tmp_path) as group:
        (tmp_path / "cpuacct/bench/cpuacct.usage").write_text("1500000000\n")
        assert (group.parent, group.seconds()) == ("/bench", 1.5)


def test_a_control_group_of_version_2(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    with Group("bench", tmp_path) as group:
        (tmp_path / "bench/cpu.stat").write_text("usage_usec 2500000\nuser_usec 2000000\n")
        assert group.seconds() == 2.5


def test_a_group_that_counts_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cpuacct").mkdir()
    with Group("bench", tmp_path) as group, pytest.raises(FileNotFoundError):
        group.seconds()


def test_the_engine_s_own_processes(tmp_path: Path) -> None:
    for pid, name in (("10", "dockerd"), ("11", "dockerd (odd) name"), ("12", "containerd")):
        (tmp_path / pid).mkdir()
        # pid, name, state, then 10 fields; utime, stime, cutime, cstime
        (tmp_path / pid / "stat").write_text(f"{pid} ({name}) S {'1 ' * 10}100 200 300 400 0\n")
    (tmp_path / "13").mkdir()  # gone meanwhile
    (tmp_path / "uptime").touch()
    assert engine_seconds(tmp_path) == 2 * 1000 / os.sysconf("SC_CLK_TCK")


def test_a_command_and_its_containers_are_counted(tmp_path: Path) -> None:
    (tmp_path / "cpuacct").mkdir()
    with Group("bench", tmp_path) as group:
        usage = tmp_path / "cpuacct/bench/cpuacct.usage"
        usage.write_text("1000000000")
        text = f"sum(range(10**6)); open({str(usage)!r}, 'w').write('4000000000'); print('said')"
        found = run([sys.executable, "-c", text], group, tmp_path / "log")
        assert found.containers == 3.0
        assert found.process > 0
        assert found.total == found.process + 3.0
        assert (tmp_path / "log").read_text() == "said\n"


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    (tmp_path / "cpuacct").mkdir()
    with Group("bench", tmp_path) as group:
        (tmp_path / "cpuacct/bench/cpuacct.usage").write_text("0")
        with pytest.raises(RuntimeError, match=r"exit code 3\nwhy$"):
            run(["sh", "-c", "echo why; exit 3"], group, tmp_path / "log")


def test_the_most_disk(tmp_path: Path) -> None:
    disk = Disk([tmp_path / "a", tmp_path / "none"])
    with disk.watched(60):
        (tmp_path / "a").mkdir()
        (tmp_path / "a/file").write_bytes(bytes(1 << 20))
    assert disk.most >= 1 << 20
    (tmp_path / "a/file").unlink()
    assert used(disk.folders) < 1 << 20 <= disk.most


def test_objects_of_c_files_are_counted(tmp_path: Path) -> None:
    for name, text in {
        "fs/.a.o.cmd": "savedcmd_fs/a.o := gcc\n\nsource_fs/a.o := fs/a.c\n",
        "arch/.b.o.cmd": "source_arch/b.o := arch/b.S\n",
        "fs/.built-in.a.cmd": "savedcmd_fs/built-in.a := ar\n",
        "tools/.t.o.cmd": "source_tools/t.o := tools/t.c\n",
        "scripts/mod/.m.o.cmd": "source_scripts/mod/m.o := scripts/mod/m.c\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert compiled(tmp_path) == 1


def test_each_limit_is_held_or_missed(capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(FIRST, spent(10.0, 10.0), {"a": 10.0, "b": 20.0}) == 0
    assert capsys.readouterr().out.count(": ok\n") == 2
    assert verdict(FIRST, spent(10.0, 11.0), {"a": 10.0, "b": 20.0}) == 1
    assert "the first fix: 28.6 times less CPU, at least 30: MISSED" in capsys.readouterr().out
    assert verdict(FIRST, spent(10.0, 10.0), {"a": 9.9, "b": 20.0}) == 1
    assert "each further fix: 9.9 times less CPU, at least 10: MISSED" in capsys.readouterr().out


def test_ratios_are_of_pairs_and_count_containers() -> None:
    theirs = [spent(0.0, seconds) for seconds in (30.0, 60.0, 40.0)]
    ours = [spent(1.0, 2.0), spent(1.0, 2.0), spent(2.0, 3.0)]
    assert ratio(theirs, ours) == 10.0
    said = line("a-fix", theirs, ours)
    assert "klp-build 40.00 (30.00 to 60.00), lppack 3.00 (3.00 to 5.00): 10.0 times" in said


def test_the_fixes_are_of_one_file_each() -> None:
    for name in FIXES:
        text = (resources.examples() / f"fixes/{name}/upstream.diff").read_text()
        assert text.count("\n+++ b/") == 1


def test_the_configuration_has_what_klp_build_needs() -> None:
    lines = CONFIG.read_text().splitlines()
    options = {line.partition("=")[0] for line in lines if not line.startswith("#")}
    # The last for ipc-next-id: without it the changed line is not compiled.
    needed = {"CONFIG_LIVEPATCH", "CONFIG_KLP_BUILD", "CONFIG_CHECKPOINT_RESTORE"}
    assert needed <= options
