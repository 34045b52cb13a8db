# SPDX-License-Identifier: MIT
"""simulate: verdicts, counter-examples that can be replayed, and the weakest safe mode."""

import functools
import json
import shutil
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
import yaml

from lppack import consistency
from lppack.analyse.simulate import (
    Simulation,
    Verdict,
    compare,
    recommended,
    replay,
    simulate,
)
from lppack.checker import runs, scenario
from lppack.checker.observe import Seen
from lppack.checker.scenario import Patch
from lppack.cli.simulation import simulation_lines
from lppack.consistency import Leave, ModeName, Needs, Switch, Transform
from lppack.errors import AnswerIsNo
from lppack.model import Manifest, Workload
from lppack.stages.load import load
from lppack.stages.validate import validate
from tests.kit.command import EXAMPLES, check_shape, lppack
from tests.kit.simulate import manifest
from tests.unit.checker.mutations import mutated

LEGAL = [
    needs
    for needs in (
        Needs(leave=leave, switch=switch, transform=transform)
        for leave, switch, transform in product(Leave, Switch, Transform)
    )
    if consistency.refusal(needs) is None
]


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
    assert recommended(compared(needs)) is consistency.weakest(needs).name


@pytest.mark.slow
def test_nothing_declared_is_said_and_nothing_recommended() -> None:
    free = needing(Needs(leave=Leave.LEAVE_FUNCTION, switch=Switch.SWITCH_FUNCTION))
    every = compare(free)
    assert recommended(every) is None
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


def test_what_is_reached_is_unsafe_without_a_run_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are looked for with few threads; eight may reach what four do not."""
    monkeypatch.setattr(runs, "shortest", lambda *_words: None)
    made = simulate(manifest("conn-limit"), ModeName.NULL_MODEL)
    assert (made.verdict, made.violations) == (Verdict.UNSAFE, ())
    assert Seen.MIX_IN_P in made.reached
    lines = "\n".join(simulation_lines(made))
    assert "REACHED:  one visit to the patched functions mixes old and new" in lines
    assert "no run with few threads shows that one visit to the patched functions mixes" in lines


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
    assert any("any function of the patch may call any other" in line for line in made.assumptions)


def test_a_call_through_functions_that_are_not_replaced_is_a_call() -> None:
    for through in (
        Workload(calls=(("f", ("one",)), ("one", ("one", "two")), ("two", ("g",)))),
        Workload(calls=(("f", ()),), threads=(("entry", "f", "one", "g", "leaf"),)),
        Workload(calls=(("one", ("g",)),), threads=(("f", "one"),)),
    ):
        made = simulate(manifest("proc-cmdline", "f", "g", workload=through), ModeName.NULL_MODEL)
        assert made.verdict is Verdict.UNSAFE
        assert "f() calls g()" in made.assumptions[0]
    back = Workload(calls=(("f", ("one",)), ("one", ("f",))))
    made = simulate(manifest("proc-cmdline", "f", workload=back), ModeName.NULL_MODEL)
    assert made.verdict is Verdict.UNSAFE, "f() is entered again"


@pytest.mark.slow
def test_what_is_assumed_of_calls_is_said() -> None:
    def first(workload: Workload | None, *names: str) -> tuple[str, ...]:
        return simulate(manifest("proc-cmdline", *names, workload=workload)).assumptions

    assert "f() may call itself, two deep" in first(None, "f")[0]
    assert "any function of the patch may call any other" in first(None, "f", "g")[0]
    assert "f() and g() stand for all 3" in first(None, "f", "g", "h")[1]
    assert (
        "among the replaced functions, none calls another"
        in first(Workload(calls=(("f", ()),)), "f", "g")[0]
    )
    names = [f"f{i}" for i in range(20)]
    chain = Workload(calls=tuple((a, (b,)) for a, b in pairwise(names)))
    assert "too much to be explored" in first(chain, *names)[0]
    one = Workload(calls=tuple((name, ("f1",)) for name in names[2:]))
    assert "and 12 more calls" in first(one, *names)[0]


def test_a_function_that_is_declared_to_be_slept_in_may_stall() -> None:
    for sleeps, verdict in (((), Verdict.SAFE), (("f",), Verdict.MAY_STALL)):
        made = simulate(manifest("proc-cmdline", "f", "g", workload=Workload(sleeps=sleeps)))
        assert made.verdict is verdict
        assumed = any("workload: sleeps" in line for line in made.assumptions)
        assert assumed is (verdict is Verdict.SAFE)


@pytest.mark.slow
def test_the_weakest_is_one_that_covers_the_needs() -> None:
    """null-model is safe for functions that never call each other, and is not what was asked."""
    apart = manifest("proc-cmdline", "f", "g", workload=Workload(calls=(("f", ()),)))
    every = compare(apart)
    assert every[0].verdict is Verdict.SAFE
    assert recommended(every) is ModeName.HYBRID
    asleep = replace(apart, workload=Workload(sleeps=("f", "g")))
    every = compare(asleep)
    assert {made.verdict for made in every[1:]} == {Verdict.MAY_STALL}
    assert recommended(every) is ModeName.HYBRID
    never = manifest("proc-cmdline", "kswapd")
    assert recommended(compare(never)) is None


def written(folder: Path, functions: list[str], **workload: Any) -> Path:
    """A patch folder that differs from proc-cmdline in what it replaces."""
    shutil.copytree(EXAMPLES / "proc-cmdline", folder)
    path = folder / "manifest.yaml"
    text = yaml.safe_load(path.read_text())
    text["objects"] = [
        {"name": "vmlinux", "functions": [{"old": f, "new": f"lp_{f}"} for f in functions]}
    ]
    path.write_text(json.dumps({**text, "workload": workload}))
    (folder / text["sources"][0]).write_text(
        "\n".join(f"void lp_{f}(void) {{ }}" for f in functions)
    )
    return folder


@pytest.mark.slow
def test_where_no_mode_will_do_the_answer_is_no(tmp_path: Path) -> None:
    never = written(tmp_path / "never", ["kswapd"])
    ran = lppack("simulate", never, "--compare", "--format", "json")
    assert ran.rc == 9, ran.err
    check_shape("simulate-compare", ran.json)
    assert (ran.json["ok"], ran.json["recommended"]) == (False, None)
    assert lppack("simulate", never, "--compare").rc == 9
    asleep = written(tmp_path / "asleep", ["f", "g"], sleeps=["f"])
    ran = lppack("simulate", asleep, "--compare")
    assert ran.rc == 0
    assert ran.out.endswith("always ends; the weakest safe mode: hybrid\n")
    apart = written(tmp_path / "apart", ["f", "g"], calls={"f": []})
    ran = lppack("simulate", apart, "--compare")
    null = next(line for line in ran.out.splitlines() if line.startswith("null-model"))
    assert "safe" in null
    assert null.endswith("; weaker than the needs")
    assert ran.out.endswith("safe under the declared needs: hybrid\n")


def test_a_name_that_is_misspelt_is_no_call_that_does_not_exist(tmp_path: Path) -> None:
    ran = lppack(
        "simulate", written(tmp_path / "p", ["conn_f", "conn_g"], calls={"conn_f": ["con_g"]})
    )
    assert ran.rc == 3
    assert "did you mean conn_g?" in ran.err


@pytest.mark.slow
def test_safe_says_little_where_nothing_is_asked(tmp_path: Path) -> None:
    ran = lppack("simulate", EXAMPLES / "fixes/tcp-reordering")
    assert "safe, but no function is replaced\n" in ran.out
    hooks = manifest("fixes/tcp-reordering")
    assert recommended(compare(hooks)) is None
    free = written(tmp_path / "free", ["f"])
    text = (free / "manifest.yaml").read_text()
    for flag in ("LEAVE_PATCHED_SET", "SWITCH_THREAD"):
        text = text.replace(flag, f"{flag.split('_')[0]}_FUNCTION")
    (free / "manifest.yaml").write_text(text)
    ran = lppack("simulate", free, "--mode", "null-model")
    assert "safe, but nothing is declared that must hold\n" in ran.out
    compared = lppack("simulate", free, "--compare").out
    assert compared.endswith("no mode is recommended: nothing is declared that must hold\n")


def test_who_touches_the_data_is_not_made_up() -> None:
    many = simulate(manifest("conn-limit"), ModeName.NULL_MODEL)
    run = next(run for run in many.violations if run.flag is Seen.OLD_NEW)
    does = " ".join(step.does for step in run.steps)
    assert "patched_function() uses an object" in does
    assert "conn_" not in does
    assert any("patched_function() stands for any of them" in line for line in many.assumptions)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 200_000, "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "is not what lppack simulate prints"),
        ('{"mode": "foo", "violations": []}', "is not what lppack simulate prints"),
        ('{"mode": "hybrid", "violations": []}', "mode hybrid is not unsafe there"),
        ('{"modes": []}', "is about every mode"),
    ],
)
def test_what_is_no_kept_run_is_said(text: str, said: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text(text)
    ran = lppack("simulate", EXAMPLES / "proc-cmdline", "--replay", kept)
    assert ran.rc == 4
    assert said in ran.err
    assert "lppack simulate" in ran.err, "a way out"


@pytest.mark.parametrize("file", ["/dev/zero", "gone.json"])
def test_a_kept_run_is_an_ordinary_file(file: str) -> None:
    ran = lppack("simulate", EXAMPLES / "proc-cmdline", "--replay", file)
    assert ran.rc == 4
    assert (
        f"{file} is not a plain file" in ran.err or "gone.json cannot be read: No such" in ran.err
    )


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
@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_people_read() -> None:
    patch = EXAMPLES / "conn-limit"
    ran = lppack("simulate", patch, "--mode", "null-model")
    assert ran.rc == 9
    assert ran.out.startswith("assumed: which function calls which is not declared")
    assert "REACHED:  one visit to the patched functions mixes old and new (I2)" in ran.out
    assert "conn_free(old) > conn_syn(new)" in ran.out
    compared = lppack("simulate", patch, "--compare").out
    assert compared.endswith("the weakest mode that is safe under the declared needs: hybrid\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    "calls",
    [
        (("f", ("g",)),),
        (("f", ("g",)), ("g", ("h",))),
        (("f", ("g", "h")), ("g", ("h",)), ("h", ("f",))),
    ],
)
def test_what_a_verdict_stands_on_was_explored_to_its_end(calls: Any) -> None:
    """More that is declared is never less that is shown: what is too much is taken as any calls."""
    patch = manifest("proc-cmdline", "f", "g", "h", workload=Workload(calls=calls))
    for made in compare(patch):
        assert made.whole
        if made.verdict is Verdict.SAFE:
            assert {e.threads for e in made.explored if e.what == "switching"} >= {1, 2, 4, None}


def test_what_was_not_explored_to_its_end_is_not_said_to_be_never() -> None:
    made = simulate(manifest("proc-cmdline", "f", "g"))
    some = replace(made, explored=tuple(replace(e, whole=False) for e in made.explored))
    assert "  never:    one visit" in "\n".join(simulation_lines(made))
    text = "\n".join(simulation_lines(some))
    assert "  not seen: one visit" in text
    assert "the rest is too large to explore" in text
    assert "any number" not in text


def test_stacks_alone_do_not_say_that_there_are_no_other_calls() -> None:
    alone = Workload(threads=(("entry", "f", "leaf"),))
    made = simulate(manifest("proc-cmdline", "f", "g", workload=alone), ModeName.NULL_MODEL)
    assert made.verdict is Verdict.UNSAFE


def test_by_function_an_old_one_after_the_end_is_forbidden() -> None:
    """I6 holds for all but null; 1.3: what LEAVE_PATCHED_SET with SWITCH_FUNCTION never shows."""
    by_function = Needs(leave=Leave.LEAVE_PATCHED_SET, switch=Switch.SWITCH_FUNCTION)
    null, *others = compare(needing(by_function))
    assert [run.flag for run in null.violations] == [Seen.OLD_AFTER_DONE]
    assert {made.verdict for made in others} == {Verdict.SAFE}


def test_a_mode_that_does_not_cover_the_needs_is_said_to_be_weaker() -> None:
    apart = manifest("proc-cmdline", "f", "g", workload=Workload(calls=(("f", ()),)))
    text = simulation_lines(simulate(apart, ModeName.NULL_MODEL))
    assert any(
        line.endswith("safe, but weaker than the needs: lppack never applies it") for line in text
    )
    unsafe = simulation_lines(simulate(manifest("conn-limit"), ModeName.NULL_MODEL))
    assert any(
        line.endswith("unsafe; weaker than the needs: lppack never applies it") for line in unsafe
    )
