# SPDX-License-Identifier: MIT
"""simulate on a kernel that preempts kernel code, where a thread may stand in an ftrace call."""

from pathlib import Path

import pytest

from lppack.analyse.simulate import Verdict, compare, recommended, replay, simulate
from lppack.checker.observe import Seen
from lppack.consistency import EngineName, ModeName
from tests.kit.command import lppack
from tests.kit.simulate import manifest

PATCH = "examples/conn-limit"
LIVEPATCH, CONSISTENCY = EngineName.LIVEPATCH, EngineName.CONSISTENCY


def test_the_kernels_own_engine_mixes_on_the_way_back() -> None:
    made = simulate(manifest("conn-limit"), ModeName.HYBRID, preempted=LIVEPATCH)
    assert made.verdict is Verdict.UNSAFE
    (run,) = made.violations
    assert run.flag is Seen.MIX_IN_P
    assert "revert" in " ".join(step.does for step in run.steps)
    said = [(step.who, step.does) for step in run.steps]
    assert run.flag.name
    again = replay(
        manifest("conn-limit"), ModeName.HYBRID, run.flag.name, said, 1, preempted=LIVEPATCH
    )
    assert again == run


def test_lppacks_engine_and_one_function_alone_do_not() -> None:
    ours = simulate(manifest("conn-limit"), ModeName.HYBRID, preempted=CONSISTENCY)
    assert ours.verdict is Verdict.SAFE
    one = simulate(manifest("proc-cmdline", "f"), ModeName.HYBRID, preempted=CONSISTENCY)
    assert one.verdict is Verdict.SAFE


@pytest.mark.slow
def test_the_mode_that_is_recommended_is_one_that_keeps_what_is_declared() -> None:
    every = compare(manifest("conn-limit"), preempted=LIVEPATCH)
    assert {made.mode.name: made.preempted for made in every}[ModeName.KPATCH] is CONSISTENCY
    assert recommended(every) is ModeName.KPATCH
    assert recommended(compare(manifest("conn-limit"), preempted=CONSISTENCY)) is ModeName.HYBRID


def test_it_is_asked_for_and_its_run_is_replayed(tmp_path: Path) -> None:
    ran = lppack("simulate", PATCH, "--preempted", "--format", "json")
    assert ran.rc == 9
    assert ran.json["error"]["message"] == "examples/conn-limit in mode hybrid: unsafe"
    assert "--preempted --compare" in ran.json["error"]["hint"]
    kept = tmp_path / "run.json"
    kept.write_text(ran.out)
    assert lppack("simulate", PATCH, "--replay", kept).rc == 0
    said = lppack("simulate", PATCH, "--preempted", "--engine", "consistency").out
    assert "safe" in said and "engine consistency moves the threads" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--engine", "livepatch"), "--engine requires --preempted"),
        (("--preempted", "--sample"), "--preempted excludes --sample"),
        (("--preempted", "--replay", "x.json"), "--preempted excludes --replay"),
        (
            ("--preempted", "--engine", "livepatch", "--mode", "kpatch"),
            "the livepatch engine does not give mode kpatch",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(words: tuple[str, ...], says: str) -> None:
    ran = lppack("simulate", PATCH, *words)
    assert ran.rc == 2
    assert says in ran.err
