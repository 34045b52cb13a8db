# SPDX-License-Identifier: MIT
"""What simulate says of an exploration."""

import json

import pytest

from lppack.analyse.simulate import Simulation, Verdict, simulate
from lppack.checker.observe import WORDS
from lppack.cli.simulation import ending, simulation_json, simulation_lines, verdict
from lppack.consistency import ModeName
from tests.kit.simulate import manifest


@pytest.fixture(scope="module")
def safe() -> Simulation:
    return simulate(manifest(), ModeName.HYBRID)


@pytest.fixture(scope="module")
def unsafe() -> Simulation:
    return simulate(manifest("proc-cmdline", "f", "g"), ModeName.NULL_MODEL)


def test_what_is_assumed_comes_first_and_what_it_stands_on_last(safe: Simulation) -> None:
    lines = simulation_lines(safe)
    assumed = [line for line in lines if line.startswith("assumed: ")]
    assert lines[: len(assumed)] == assumed and assumed
    assert verdict(safe).startswith("safe")
    for flag in safe.forbidden:
        assert f"  never:    {WORDS[flag][1]} ({WORDS[flag][0]})" in lines
    assert any(line.startswith("  explored: ") and "threads" in line for line in lines)


def test_a_run_is_a_table_in_columns(unsafe: Simulation) -> None:
    assert unsafe.verdict is Verdict.UNSAFE
    lines = simulation_lines(unsafe)
    run = unsafe.violations[0]
    title = f"{run.says} ({run.invariant}), after {len(run.steps)} steps:"
    table = lines[lines.index(title) + 1 :][: len(run.steps) + 2]
    assert table[0].split()[:4] == ["step", "who", "does", "T1"]
    assert [row.split()[0] for row in table[1:]] == [str(n) for n in range(len(run.steps) + 1)]
    at = table[0].index("kernel")
    assert all(row[at - 2 : at] == "  " for row in table[1:])
    reached = next(line for line in lines if line.startswith("  REACHED:"))
    assert run.says in reached


def test_a_mode_that_is_weaker_than_the_needs_says_so(unsafe: Simulation) -> None:
    assert not unsafe.covers
    assert verdict(unsafe) == "unsafe; weaker than the needs: lppack never applies it"


def test_the_json_is_the_same_run(unsafe: Simulation) -> None:
    value = json.loads(json.dumps(simulation_json(unsafe)))
    assert value["verdict"] == "unsafe"
    assert value["states"] == sum(one["states"] for one in value["explored"])
    [first, *_] = value["violations"]
    run = unsafe.violations[0]
    assert (first["shows"], first["invariant"]) == (run.flag.name, run.invariant)
    assert len(first["steps"]) == len(run.steps)
    assert all(len(step["threads"]) == first["threads"] for step in first["steps"])


def test_whether_it_ends() -> None:
    always = simulate(manifest(), ModeName.HYBRID)
    assert ending(always) == "always, if every thread is scheduled and every visit ends"
    never = simulate(manifest("proc-cmdline", "kthreadd"), ModeName.HYBRID)
    assert ending(never).startswith("never: ")
    perhaps = simulate(manifest("proc-cmdline", "do_epoll_wait"), ModeName.HYBRID)
    assert ending(perhaps).startswith("perhaps not: ")
