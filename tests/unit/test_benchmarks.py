# SPDX-License-Identifier: MIT
"""Each `invoke bench NAME` is there, and runs as far as it can without a guest and without time."""

import importlib
import inspect
import re

import pytest

import tasks
from benchmarks import build, explore, facts, sample, startup
from tests.kit.command import ROOT

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
    found = {"raw": [2.0, 4.0, 3.0], "host": [3.0, 1.0, 9.0], "docker": [4.0, 4.0, 4.0]}
    assert build.report(found, 1.0) == 1
    said = capsys.readouterr().out
    assert "  host: 3.00 (1.00 to 9.00), 1.00 times raw, limit 1: held" in said
    assert "  docker: 4.00 (4.00 to 4.00), 1.33 times raw, limit 1: MISSED" in said
