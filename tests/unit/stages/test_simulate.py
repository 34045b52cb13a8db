# SPDX-License-Identifier: MIT
"""simulate: verdicts, counter-examples that can be replayed, and the weakest safe mode."""

import functools
import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from lppack import consistency
from lppack.consistency import Leave, ModeName, Needs, Switch, Transform
from lppack.errors import AnswerIsNo
from lppack.model import FunctionPatch, Manifest, ObjectPatch, Workload
from lppack.simulator import scenario
from lppack.simulator.observe import Seen
from lppack.simulator.scenario import Patch
from lppack.stages.load import load
from lppack.stages.simulate import (
    Simulation,
    Verdict,
    compare,
    recommended,
    replay,
    simulate,
)
from lppack.stages.validate import validate
from tests.command import EXAMPLES, check_shape, lppack
from tests.unit.simulator.mutations import mutated

LEGAL = [
    needs
    for needs in (
        Needs(leave=leave, switch=switch, transform=transform)
        for leave, switch, transform in product(Leave, Switch, Transform)
    )
    if consistency.refusal(needs) is None
]


def manifest(name: str = "proc-cmdline", *functions: str, **changes: Any) -> Manifest:
    made = validate(load(EXAMPLES / name))
    if functions:
        patched = tuple(FunctionPatch(old=f, new=f"lp_{f}", sympos=None) for f in functions)
        made = replace(made, objects=(ObjectPatch(name=None, functions=patched),))
    return replace(made, **changes)


def needing(needs: Needs) -> Manifest:
    return manifest("proc-cmdline", "f", "g", needs=needs)


@functools.cache
def compared(needs: Needs) -> tuple[Simulation, ...]:
    return compare(needing(needs))


@pytest.mark.slow
@pytest.mark.parametrize("needs", LEGAL, ids=str)
def test_a_mode_is_safe_if_and_only_if_it_covers_the_needs(needs: Needs) -> None:
    """consistency.covers() is arithmetic of flags; here the machine says the same."""
    for made in compared(needs):
        pair = (needs.leave, needs.switch)
        if made.mode.covers(needs):
            assert made.verdict is Verdict.SAFE, made.mode.name
        elif Leave.LEAVE_FUNCTION not in pair and needs.switch is not Switch.SWITCH_FUNCTION:
            assert made.verdict is Verdict.UNSAFE, made.mode.name


#: Needs by function are rounded up (D2): the machine is content with less than plan takes.
CLEAR = [n for n in LEGAL if scenario.forbidden(n) and n.switch is not Switch.SWITCH_FUNCTION]


@pytest.mark.slow
@pytest.mark.parametrize("needs", CLEAR, ids=str)
def test_the_weakest_safe_mode_is_the_one_that_plan_takes(needs: Needs) -> None:
    assert recommended(needing(needs), compared(needs)) is consistency.weakest(needs).name


def test_nothing_declared_is_said_and_nothing_recommended() -> None:
    free = needing(Needs(leave=Leave.LEAVE_FUNCTION, switch=Switch.SWITCH_FUNCTION))
    every = compare(free)
    assert recommended(free, every) is None
    assert any("declare what must hold" in line for line in every[0].assumptions)


def test_a_counter_example_is_short_and_can_be_replayed() -> None:
    made = simulate(manifest("conn-limit"), ModeName.NULL_MODEL)
    assert made.verdict is Verdict.UNSAFE
    mix = next(run for run in made.violations if run.flag is Seen.MIX_IN_P)
    assert (mix.invariant, len(mix.first.threads), len(mix.steps)) == ("I2", 1, 5)
    for run in made.violations:
        said = [(step.who, step.does) for step in run.steps]
        again = replay(
            manifest("conn-limit"),
            ModeName.NULL_MODEL,
            run.flag.name or "",
            said,
            len(run.first.threads),
        )
        assert again == run


@pytest.mark.parametrize("change", ["shorter", "another mode"])
def test_what_is_no_run_of_the_patch_is_not_replayed(change: str) -> None:
    run = simulate(manifest("conn-limit"), ModeName.NULL_MODEL).violations[0]
    said = [(step.who, step.does) for step in run.steps]
    mode = ModeName.HYBRID if change == "another mode" else ModeName.NULL_MODEL
    with pytest.raises(AnswerIsNo, match="does not fit"):
        replay(
            manifest("conn-limit"), mode, run.flag.name or "", said[: 4 + (mode != "null-model")], 1
        )


@pytest.mark.parametrize("fault", ["skip-the-check", "late-convert", "no-registry"])
def test_an_engine_with_a_fault_is_unsafe(fault: str) -> None:
    assert simulate(manifest("conn-limit"), rules=mutated(fault)).verdict is Verdict.UNSAFE


@pytest.mark.parametrize("mode", [m for m in ModeName if m is not ModeName.NULL_MODEL])
def test_a_function_that_is_never_left_never_finishes(mode: ModeName) -> None:
    made = simulate(manifest("proc-cmdline", "f", "kswapd"), mode)
    assert made.verdict is Verdict.NEVER_FINISHES
    assert [(b.function, "mm/vmscan.c" in b.reason) for b in made.blockers] == [("kswapd", True)]


def test_null_never_waits() -> None:
    free = Needs(leave=Leave.LEAVE_FUNCTION, switch=Switch.SWITCH_FUNCTION)
    made = simulate(manifest("proc-cmdline", "kswapd", needs=free), ModeName.NULL_MODEL)
    assert made.verdict is Verdict.SAFE


def test_a_function_in_which_threads_sleep_may_stall() -> None:
    made = simulate(manifest("proc-cmdline", "f", "ep_poll"), ModeName.HYBRID)
    assert made.verdict is Verdict.MAY_STALL
    assert made.ok
    assert [blocker.function for blocker in made.blockers] == ["ep_poll"]


def test_what_is_declared_of_calls_is_used() -> None:
    """Two functions that never call each other do not mix in one visit."""
    apart = Workload(calls=(("f", ()), ("g", ())))
    made = simulate(manifest("proc-cmdline", "f", "g", workload=apart), ModeName.NULL_MODEL)
    assert made.verdict is Verdict.SAFE
    chain = Workload(threads=(("f", "g"),))
    made = simulate(manifest("proc-cmdline", "f", "g", workload=chain), ModeName.NULL_MODEL)
    assert made.verdict is Verdict.UNSAFE
    assert not any("workload" in line for line in made.assumptions)


def test_representatives() -> None:
    def of(calls: dict[str, tuple[str, ...]] | None, *names: str) -> object:
        needs = Needs(leave=Leave.LEAVE_PATCHED_SET, switch=Switch.SWITCH_THREAD)
        return scenario.representatives(Patch(functions=names, needs=needs, calls=calls))

    assert of(None, "a", "b", "c") == (("a", "b"), ((1,), ()))
    assert of(None, "a") == (("a",), ((0,),))
    assert of({}, "a", "b", "c") == (("a",), ((),))
    assert of({"a": ("c",), "b": ("d",)}, "a", "b", "c", "d") == (("a", "c"), ((1,), ()))
    assert of({"a": ("a",)}, "a", "b") == (("a", "b"), ((0,), ()))
    long: dict[str, tuple[str, ...]] = {f"f{i}": (f"f{i + 1}",) for i in range(50)}
    assert of(long, *(f"f{i}" for i in range(50))) == (("f0", "f1"), ((1,), ()))


PATCHES = sorted(path.parent for path in EXAMPLES.rglob("manifest.yaml"))


@pytest.mark.parametrize("folder", PATCHES, ids=lambda folder: folder.name)
def test_every_example_is_safe_in_its_mode(folder: Path) -> None:
    made: Simulation = simulate(validate(load(folder)))
    assert made.verdict is Verdict.SAFE
    assert all(entry.whole for entry in made.explored)
    assert {entry.threads for entry in made.explored if entry.what == "switching"} == {
        1,
        2,
        4,
        8,
        None,
    }


def test_the_command_line(tmp_path: Path) -> None:
    patch = EXAMPLES / "conn-limit"
    ran = lppack("simulate", patch, "--format", "json")
    assert ran.rc == 0
    check_shape("simulate", ran.json)
    assert ran.json["verdict"] == "safe"
    bad = lppack("simulate", patch, "--mode", "null-model", "--format", "json")
    assert bad.rc == 9
    check_shape("simulate", bad.json)
    kept = tmp_path / "run.json"
    kept.write_text(bad.out)
    again = lppack("simulate", patch, "--replay", kept, "--format", "json")
    assert (again.rc, again.json["violations"]) == (0, bad.json["violations"])
    check_shape("simulate-replay", again.json)
    kept.write_text(json.dumps({"mode": "hybrid", "violations": [{"shows": 1}]}))
    broken = lppack("simulate", patch, "--replay", kept)
    assert broken.rc == 4
    assert "is not what lppack simulate prints" in broken.err
    every = lppack("simulate", patch, "--compare", "--format", "json")
    assert (every.rc, every.json["recommended"]) == (0, "hybrid")
    check_shape("simulate-compare", every.json)


def test_hooks_alone_switch_nothing_and_that_is_said() -> None:
    made = simulate(manifest("fixes/tcp-reordering"))
    assert made.assumptions[0].startswith("no function is replaced")
    assert compare(manifest("fixes/tcp-reordering"))[0].verdict is Verdict.SAFE


def test_what_people_read() -> None:
    patch = EXAMPLES / "conn-limit"
    ran = lppack("simulate", patch, "--mode", "null-model")
    assert ran.rc == 9
    assert ran.out.startswith("assumed: nothing is declared of who calls whom")
    assert "REACHED:  one visit to the patched functions mixes old and new (I2)" in ran.out
    assert "conn_free(old) > conn_syn(new)" in ran.out
    compared = lppack("simulate", patch, "--compare").out
    assert compared.endswith("the weakest mode that is safe for what is declared: hybrid\n")
