# SPDX-License-Identifier: MIT
"""Each `invoke bench NAME` is there, and runs as far as it can without a guest and without time."""

import importlib
import inspect
import os
import platform
import re
from pathlib import Path

import pytest

import tasks
from benchmarks import (
    build,
    calls,
    explore,
    facts,
    finish,
    live,
    page,
    revert,
    sample,
    startup,
    sweep,
)
from lppack.cost.measured import UNPATCHED, Measured
from tests.kit.command import ROOT
from tests.loads.driver import Row

NAMES = sorted(
    path.stem
    for path in (ROOT / "benchmarks").glob("*.py")
    if re.search(r"^def main\(", path.read_text(), re.MULTILINE)
)


def test_the_task_names_each_and_no_other() -> None:
    said = inspect.getdoc(tasks.bench) or ""
    assert re.findall(r"\w+", said.partition("NAME is")[2].replace(" or ", " ")) == NAMES
    page = (ROOT / "docs/ci.md").read_text()
    assert set(re.findall(r"`invoke bench (\w+)`", page)) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_started(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    inspect.signature(module.main).bind()
    assert f"python -m benchmarks.{name}" in (module.__doc__ or "")


def test_startup_prints_ratios_and_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert startup.main("1") in (0, 1)  # the limits are those of a quiet machine
    said = capsys.readouterr().out
    for name, limit in startup.LIMITS.items():
        assert re.search(rf"  {re.escape(name)}: [\d.]+ times \(.*\), limit {limit:g}: ", said)


def test_live_reads_a_log_and_compares(capsys: pytest.CaptureFixture[str]) -> None:
    log = (
        "[    1.000000] bench: start\n[    9.000000] bench: end\n"
        "[   10.500000] bench: start\n[   11.000000] livepatch: enabling patch "
        f"'{live.MODULE}'\n[   12.500000] livepatch: '{live.MODULE}': patching complete\n"
        "[   13.000000] bench: end\n"
    )
    row = live.times_of(log)
    assert row == {"loaded": 0.5, "live": 2.0, "returned": 2.5}
    slower = {**row, "live": 2.5}
    assert live.report({"kpatch load": [slower], "lppack apply": [row]})
    assert not live.report({"kpatch load": [row], "lppack apply": [slower]})
    assert "live: 1.25 times kpatch's, limit 1.0: MISSED" in capsys.readouterr().out


def test_startup_tells_what_is_within_a_limit() -> None:
    assert startup.verdict("x", [0.1, 0.2, 0.9], 0.1, 2.0)[1]
    line, held = startup.verdict("x", [0.1, 0.21, 0.9], 0.1, 2.0)
    assert (held, line) == (False, "  x: 2.1 times (1.0 to 9.0), limit 2: PASSED")


def test_facts_validates_each_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "MANIFESTS", 9)
    assert facts.manifests_a_second() > 0


def test_sample_draws_with_both_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("THREADS", 20), ("SAMPLES", 3), ("SIMPY_SAMPLES", 3)):
        monkeypatch.setattr(sample, name, value)
    for draw in (sample.sampled, sample.simulated):
        events, times = draw(1)
        assert events > 0
        assert len(times) == 3


def test_explore_has_its_models() -> None:
    assert list(explore.MODELS.glob("*.pml"))


def test_build_compares_medians_with_raw(capsys: pytest.CaptureFixture[str]) -> None:
    cpu = [2.0, 2.0, 9.0]
    found = {
        "raw": build.Times([2.0, 4.0, 3.0], cpu),
        "host": build.Times([3.0, 1.0, 9.0], [1.0, 1.0, 1.0]),
        "docker": build.Times([4.0, 4.0, 4.0], cpu),
    }
    assert build.report(found, 1.0) == 1
    said = capsys.readouterr().out
    assert "  raw: 3.00 (2.00 to 4.00); CPU 2.00\n" in said
    assert "  host: 3.00 (1.00 to 9.00), 1.00 times raw, limit 1: held; CPU 1.00, 0.50" in said
    assert "  docker: 4.00 (4.00 to 4.00), 1.33 times raw, limit 1: MISSED; CPU 2.00" in said


def test_calls_compares_each_mode_with_upstream(capsys: pytest.CaptureFixture[str]) -> None:
    ours = [
        calls.middle(f"consistency {name}", [99.0, value])
        for name, value in (("hybrid", 40.0), ("kpatch", 70.0))
    ]
    paths = (
        calls.middle(UNPATCHED, [99.0, 5.0, 4.0, 6.0]),
        calls.middle(calls.UPSTREAM, [9.0, 80.0]),
    )
    found = Measured(release="6.1", version="1", paths=(*paths, *ours))
    assert found.unpatched == 5.0, "the first repeat is left out"
    assert any("added  75.00  ratio 16.00" in row for row in calls.rows(found))
    assert not calls.below(found)
    said = capsys.readouterr().out
    assert "consistency hybrid: 40.0 fewer than upstream, at least 20: ok" in said
    assert "consistency kpatch: 10.0 fewer than upstream, at least 20: MISSED" in said


@pytest.mark.parametrize(("ours", "kept"), [(1.0, True), (3.0, False)])
def test_finish_compares_what_upstream_finishes(
    ours: float, kept: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def row(engine: str, load: str, *took: float) -> Row:
        times = list(took)
        return Row(
            engine=engine,
            mode="hybrid",
            load=load,
            patch="forms",
            flips=2,
            seconds=times,
            switched=times,
        )

    rows = {
        "loop": {
            "livepatch hybrid": row("livepatch", "loop", 10.0, 10.0),
            "consistency hybrid": row("consistency", "loop", ours, ours),
        },
        "spin": {
            "livepatch hybrid": row("livepatch", "spin", 1.0),
            "consistency hybrid": row("consistency", "spin", 1.0, 1.0),
        },
    }
    assert finish.verdict(rows) is kept
    said = capsys.readouterr().out
    assert f"median {ours / 10:.3f} over 1 loads, at most 0.2" in said
    unfinished = rows["spin"]["livepatch hybrid"]
    assert "1 of 2 finished" in finish.line(unfinished, unfinished)


@pytest.mark.parametrize(("ours", "word"), [(0.2, "ok"), (0.9, "MISSED")])
def test_revert_compares_with_upstream(
    ours: float, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = revert.report({revert.UPSTREAM: 4.0, revert.OURS[0]: ours})
    assert kept is (word == "ok")
    assert f"at most 0.1: {word}" in capsys.readouterr().out


def test_all_of_them_on_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(page.names()) == set(NAMES)
    written = tmp_path / "new/page.md"
    code = page.write(str(written), "startup")
    text = written.read_text()
    assert f"| Python | {platform.python_version()} |" in text
    assert f"| processors | {os.cpu_count()} of " in text
    assert "## startup\n" in text and "    python -c pass: median " in text
    assert ("\nlimits held; " in text) is (code == 0)
    assert capsys.readouterr().out.endswith(f"written: {written}\n")
    with pytest.raises(SystemExit, match="no benchmark is called nonesuch"):
        page.write(str(written), "nonesuch")


def test_sweep_prints_how_much_faster(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep.report({"one": [9.0, 10.0, 11.0], "two": [5.0], "farm": [6.0]}) == 1
    said = capsys.readouterr().out
    assert "  one: 10.0 (9.0 to 11.0)\n" in said
    assert "  two: 5.0 (5.0 to 5.0), 2.00 times as fast, 1.8 at least: held\n" in said
    assert "  farm: 6.0 (6.0 to 6.0), 1.67 times as fast, 1.8 at least: MISSED\n" in said


@pytest.mark.slow
def test_sweep_finds_the_same_rows_each_way(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep.main("1", "1") in (0, 1)
    said = capsys.readouterr().out
    assert said.startswith("42 explorations, wall seconds")
    assert "DIFFER" not in said
