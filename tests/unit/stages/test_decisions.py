# SPDX-License-Identifier: MIT
"""Each decision of a plan has its reason."""

import inspect
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from lppack import consistency
from lppack.consistency import EngineName, ModeName
from lppack.kernel.config import KernelConfig
from lppack.model import Decision, Plan
from lppack.stages import decisions
from tests.kit.fake_facts import CONFIG
from tests.kit.planned import one, planned, refused
from tests.kit.samples import RELEASE


@pytest.mark.parametrize(
    ("extra", "words", "reason"),
    [
        ("", {}, "the weakest mode"),
        ("mode: hybrid\n", {}, "in the manifest"),
        ("", {"mode": "hybrid"}, "with --mode"),
    ],
)
def test_why_this_mode(tmp_path: Path, extra: str, words: dict[str, Any], reason: str) -> None:
    made = planned(tmp_path, one("cmdline_proc_show", extra=extra), **words)
    (why,) = (item.why for item in made.decisions if item.what == "mode")
    assert reason in why


def test_every_decision_has_a_reason(tmp_path: Path) -> None:
    made = planned(tmp_path, one("cmdline_proc_show"))
    decisions = {item.what: item.value for item in made.decisions}
    assert decisions["kernel"] == RELEASE
    assert decisions["module"] == "lppack_conn_limit_2"
    assert decisions["compiler"] == "gcc-12"
    assert decisions["replace vmlinux:cmdline_proc_show"] == "lp_x"
    assert decisions["phase 2"] == "none"
    assert all(item.why for item in made.decisions)
    assert len(decisions) == len(made.decisions)


def _of_a_plan(made: Plan) -> dict[str, str]:
    return {item.what: item.value for item in made.decisions}


@pytest.mark.parametrize("engine", ["auto", "livepatch", "consistency"])
@pytest.mark.parametrize("mode", [None, "hybrid", "kpatch", "kgraft", "refcount"])
@pytest.mark.parametrize("preempts", [False, True])
def test_what_is_printed_is_what_is_done(
    tmp_path: Path, engine: str, mode: str | None, preempts: bool
) -> None:
    config = KernelConfig({**CONFIG, "PREEMPT": "y"} if preempts else CONFIG)
    text = one("s_show", extra="        sympos: 2\n      - {old: ep_poll, new: lp_y}\n")
    needs = consistency.Needs(
        leave=consistency.Leave.LEAVE_PATCHED_SET, switch=consistency.Switch.SWITCH_THREAD
    )
    chosen = consistency.mode_named(ModeName(mode)) if mode else consistency.weakest(needs)
    if not chosen.covers(needs) or consistency.engine_for(chosen, engine) is None:
        assert refused(tmp_path, text, engine=engine, mode=mode, config=config)
        return
    made = planned(tmp_path, text, engine=engine, mode=mode, config=config)
    said = _of_a_plan(made)
    assert (said["mode"], said["engine"]) == (made.mode.name, made.engine)
    assert said["user threads"] == f"{made.mode.leave.name} {made.mode.switch.name}"
    why = {item.what: item.why for item in made.decisions}
    assert ("with --mode" in why["mode"]) is (mode is not None)
    assert why["engine"].startswith("the kernel's" if made.engine == "livepatch" else "lppack's")
    for function in made.anchor.functions:
        where = f"vmlinux:{function.old}"
        assert said[f"replace {where}"] == function.new
        assert (f"position {function.sympos} of" in why[f"replace {where}"]) is (
            bool(function.sympos)
        )
        assert said.get(f"count {where}") == (f"{function.words} words" if made.counts else None)
    assert said["inlining"] == made.inlining


@pytest.mark.parametrize("mode", [name for name in ModeName if name is not ModeName.HYBRID])
def test_the_mode_and_its_reason_come_from_one_place(
    tmp_path: Path, mode: ModeName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it decides is done and printed: nothing works it out a second time."""
    other = Decision(what="mode", value=mode, why="a coin was tossed")
    monkeypatch.setattr(decisions, "mode_for", lambda *_: (consistency.mode_named(mode), other))
    made = planned(tmp_path, one("cmdline_proc_show"))
    assert made.mode.name is mode
    assert other in made.decisions
    assert _of_a_plan(made)["user threads"].startswith(made.mode.leave.name)


def test_the_engine_and_its_reason_come_from_one_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Decision(what="engine", value="consistency", why="a coin was tossed")
    settled = (EngineName.CONSISTENCY, other)
    monkeypatch.setattr(decisions, "engine_for", lambda *_, **__: settled)
    made = planned(tmp_path, one("cmdline_proc_show"))
    assert made.engine is EngineName.CONSISTENCY
    assert other in made.decisions


@pytest.mark.parametrize(
    ("symbols", "exported", "callable_", "why"),
    [
        ("_printk", True, False, "this kernel exports it"),
        ("{name: s_show, sympos: 2}", False, False, "position 2 of several of that name"),
        ("udp_rcv", False, False, "the only one of that name; the kernel finds it"),
    ],
)
def test_a_symbol_and_how_it_is_found(
    tmp_path: Path, symbols: str, exported: bool, callable_: bool, why: str
) -> None:
    made = planned(tmp_path, f"{one('cmdline_proc_show')}    symbols: [{symbols}]\n")
    (symbol,) = made.anchor.symbols
    assert (symbol.exported, symbol.callable) == (exported, callable_)
    (said,) = [item.why for item in made.decisions if item.what == f"symbol vmlinux:{symbol.name}"]
    assert said.startswith(why)


def test_only_plan_takes_decisions_and_prints_what_it_took() -> None:
    """No function of the room works a reason out of a plan but for what the author has decided."""
    of_plans = [
        name
        for name, function in vars(decisions).items()
        if inspect.isfunction(function)
        and function.__module__ == decisions.__name__
        and Plan in get_type_hints(function).values()
    ]
    assert of_plans == ["of_the_manifest"]
