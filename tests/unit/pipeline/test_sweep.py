# SPDX-License-Identifier: MIT
"""Sweeps: the same rows wherever they are found, and what becomes of a part that is lost."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from lppack.analyse.simulate import Verdict, patch_of
from lppack.analyse.sweep import ExploredPoint, ExplorePoint, Exploring, grid
from lppack.consistency import EngineName, ModeName
from lppack.errors import EnvironmentMissing, Level, ManifestError, Problem
from lppack.pipeline.sweep import Where, explore_grid, sweep
from tests.kit.command import EXAMPLES, check_shape, lppack
from tests.kit.simulate import manifest

HERE = Where(jobs=1)
BESIDE = Where(jobs=2)


def nothing(_done: int) -> None:
    pass


def explored(name: str = "proc-cmdline", **axes: tuple[object, ...]) -> list[ExploredPoint]:
    patch = patch_of(manifest(name))
    points = tuple(grid(ExplorePoint(mode=ModeName.HYBRID), axes))
    return sweep(Exploring.of(patch, points), points, HERE, nothing)


def test_processes_find_what_one_does_and_in_the_order_of_the_grid() -> None:
    patch = patch_of(manifest("conn-limit"))
    axes = {"mode": (ModeName.HYBRID, ModeName.KPATCH), "threads": (1, 2), "kthreads": (0, 1)}
    points = tuple(grid(ExplorePoint(mode=ModeName.HYBRID), axes))
    work = Exploring.of(patch, points)
    done: list[int] = []
    found = sweep(work, points, BESIDE, done.append, size=lambda point: point.size)
    assert [row.point for row in found] == list(points)
    assert found == sweep(work, points, HERE, nothing)
    assert done == sorted(done) and done[-1] == len(points)


def test_what_each_parameter_does() -> None:
    one, two = explored(threads=(1, 2))
    assert (one.verdict, two.verdict) == (Verdict.SAFE, Verdict.SAFE)
    assert one.states < two.states
    none, some = explored(kthreads=(0, 1))
    assert none.states != some.states
    none, some = explored("conn-limit", objects=(1, 2), threads=(1,))
    assert none.states < some.states
    no, yes = explored(preempted=(None, EngineName.LIVEPATCH), threads=(1,))
    assert (no.reached, yes.reached) == ((), ("MIX_IN_P",))
    [null] = explored(mode=(ModeName.NULL_MODEL,))
    assert (null.verdict, null.reached, null.covers) == (Verdict.UNSAFE, ("MIX_IN_P",), False)


def test_what_was_not_explored_to_its_end_is_not_called_safe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    axes = {"mode": (ModeName.HYBRID,), "threads": (4,)}
    whole = explore_grid(EXAMPLES / "proc-cmdline", axes, HERE, nothing)
    assert whole.usable == (ModeName.HYBRID,)
    monkeypatch.setattr("lppack.analyse.sweep.LIMIT", 20)
    cut = explore_grid(EXAMPLES / "proc-cmdline", axes, HERE, nothing)
    assert [(row.verdict, row.ok) for row in cut.rows] == [("undecided", False)]
    assert cut.usable == ()


def test_a_mode_with_points_that_were_left_out_is_not_said_to_hold() -> None:
    axes = {"mode": (ModeName.HYBRID, ModeName.KGRAFT), "preempted": (EngineName.LIVEPATCH,)}
    swept = explore_grid(EXAMPLES / "proc-cmdline", axes, HERE, nothing)
    assert [row.point.mode for row in swept.rows] == [ModeName.HYBRID]
    assert (swept.left_out, swept.usable) == ({ModeName.KGRAFT: 1}, ())
    # Its other points hold, but say nothing of those.
    both: dict[str, tuple[object, ...]] = {"mode": (ModeName.KPATCH,)}
    both["preempted"] = (None, EngineName.LIVEPATCH)
    swept = explore_grid(EXAMPLES / "proc-cmdline", both, HERE, nothing)
    assert [row.ok and row.covers for row in swept.rows] == [True]
    assert (swept.left_out, swept.usable) == ({ModeName.KPATCH: 1}, ())
    swept = explore_grid(EXAMPLES / "proc-cmdline", {"mode": (ModeName.KPATCH,)}, HERE, nothing)
    assert (swept.left_out, swept.usable) == ({}, (ModeName.KPATCH,))


def without_needs(folder: Path) -> Path:
    shutil.copytree(EXAMPLES / "proc-cmdline", folder)
    text = (folder / "manifest.yaml").read_text()
    for flag in ("LEAVE_PATCHED_SET", "SWITCH_THREAD"):
        assert flag in text
        text = text.replace(flag, f"{flag.split('_')[0]}_FUNCTION")
    (folder / "manifest.yaml").write_text(text)
    return folder


def test_no_mode_is_recommended_where_nothing_can_go_wrong(tmp_path: Path) -> None:
    axes = {"mode": tuple(ModeName), "threads": (1,)}
    for patch, why in (
        (without_needs(tmp_path / "free"), "nothing is declared that must hold"),
        (EXAMPLES / "fixes/tcp-reordering", "no function is replaced"),
    ):
        swept = explore_grid(patch, axes, HERE, nothing)
        assert any(row.ok and row.covers for row in swept.rows), "as if it held"
        assert (swept.usable, swept.empty) == ((), why)


@pytest.mark.slow
def test_why_no_mode_is_recommended_is_said(tmp_path: Path) -> None:
    words = ("simulate", without_needs(tmp_path / "free"), "--sweep", "threads=1")
    ran = lppack(*words)
    assert ran.rc == 9
    assert "hold at every point" not in ran.out
    assert "no mode is shown to hold, because nothing is declared that must hold" in ran.err
    ran = lppack(*words, "--format", "json")
    assert ran.rc == 9
    check_shape("simulate-sweep", ran.json)
    assert (ran.json["ok"], ran.json["usable"]) == (False, [])
    assert "nothing is declared" in ran.json["error"]["message"]


def test_a_function_that_is_never_left_ends_no_point(tmp_path: Path) -> None:
    patch = patch_of(manifest("proc-cmdline", "kswapd"))
    points = (ExplorePoint(mode=ModeName.HYBRID, threads=1),)
    [row] = sweep(Exploring.of(patch, points), points, HERE, nothing)
    assert row.verdict is Verdict.NEVER_FINISHES
    assert not row.ok


def mortal(point: int) -> int:
    if point == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return point


def wrong(point: int) -> int:
    if point == 3:
        raise ManifestError(
            [Problem(file="f", line=1, column=1, level=Level.ERROR, rule="r", message="m")]
        )
    return point


@pytest.mark.parametrize("where", [HERE, BESIDE])
def test_the_last_point_is_counted_as_well(where: Where) -> None:
    done: list[int] = []
    assert sweep(wrong, (0, 1, 2), where, done.append) == [0, 1, 2]
    assert done[-1] == 3


def test_a_process_that_is_lost_and_a_patch_that_is_wrong_are_said() -> None:
    with pytest.raises(EnvironmentMissing, match="its process was ended: signal 9"):
        sweep(mortal, range(6), BESIDE, nothing)
    with pytest.raises(ManifestError) as error:
        sweep(wrong, range(6), BESIDE, nothing)
    assert error.value.problems[0].message == "m"
    assert sweep(wrong, [], BESIDE, nothing) == []


@pytest.mark.slow
def test_on_the_command_line(tmp_path: Path) -> None:
    words = ("simulate", EXAMPLES / "proc-cmdline", "--sweep", "threads=1..2")
    ran = lppack(*words, "--sweep", "mode=null-model,hybrid", "--format", "json")
    assert ran.rc == 0, ran.err
    check_shape("simulate-sweep", ran.json)
    assert [(row["mode"], row["threads"]) for row in ran.json["points"]] == [
        ("null-model", 1),
        ("null-model", 2),
        ("hybrid", 1),
        ("hybrid", 2),
    ]
    assert ran.json["usable"] == ["hybrid"]
    ran = lppack(*words, "--sweep", "mode=null-model", "--sweep", "preempted=no,livepatch")
    assert ran.rc == 9
    assert ran.out.splitlines()[0].split() == [
        *("mode", "threads", "preempted", "verdict", "states", "reached")
    ]
    assert "1 points left out" not in ran.err
    assert "2 points left out, of null-model: that engine does not give the mode" in ran.err
    assert "null-model: 2 unsafe" in ran.err
    assert "no mode that covers the needs was shown to hold at every point" in ran.err


@pytest.mark.slow
def test_predictions(tmp_path: Path) -> None:
    patch = tmp_path / "patch"
    shutil.copytree(EXAMPLES / "proc-cmdline", patch)
    visits = "{function: cmdline_proc_show, comm: web, threads: 4, seconds: 0.8, per_second: 0.2}"
    with (patch / "manifest.yaml").open("a") as out:
        out.write(f"workload:\n  visits: [{visits}]\n")
    words = ("simulate", patch, "--sample", "--timeout", "9", "--format", "json")
    sweeps = ("--sweep", "seed=1..3", "--sweep", "mode=hybrid", "--sweep", "hook=own,tick")
    found = []
    for jobs in ("1", "2"):
        ran = lppack(*words, *sweeps, "--jobs", jobs)
        assert ran.rc == 0, ran.err
        check_shape("simulate-sample-sweep", ran.json)
        found.append(ran.json)
    assert found[0] == found[1]
    rows = found[0]["points"]
    assert {row["limit"] for row in rows} == {9.0}
    assert len({str(row["times"]) for row in rows if row["hook"] == "own"}) == 3, "of each seed"
    assert len({str(row["times"]) for row in rows if row["seed"] == 1}) == 2, "of each hook"
    alone = lppack(*words, "--seed", "2", "--mode", "hybrid").json
    same = next(row for row in rows if row["seed"] == 2 and row["hook"] == "own")
    assert same["times"] == alone["times"]
