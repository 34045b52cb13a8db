# SPDX-License-Identifier: MIT
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lppack import abi
from lppack.consistency import EngineName, ModeName
from lppack.errors import EnvironmentMissing, Problem
from lppack.kernel.config import KernelConfig, parse_config
from lppack.model import FunctionPatch, Plan, SymbolUse
from lppack.names import stable_id
from tests.kit.fake_facts import CONFIG, DEEP, FACTS, FakeFacts, symbol
from tests.kit.planned import HEAD, NEEDS, one, planned, refused
from tests.kit.samples import RELEASE, VERSION, kernel

TWO = one("cmdline_proc_show").replace(
    "new: lp_x\n", "new: lp_x\n      - old: _printk\n        new: lp_y\n"
)


def spots(problems: tuple[Problem, ...]) -> list[tuple[str, int, int]]:
    return [(problem.rule, problem.line, problem.column) for problem in problems]


# -- functions


def test_a_function_that_can_be_patched(tmp_path: Path) -> None:
    made = planned(tmp_path, one("cmdline_proc_show"))
    assert made.anchor.functions == (FunctionPatch(old="cmdline_proc_show", new="lp_x", sympos=0),)
    assert made.modules == ()
    assert (made.engine, made.mode.name) == (EngineName.LIVEPATCH, ModeName.HYBRID)
    assert made.compiler == "gcc-12"
    assert made.kernel == kernel()


@dataclass(frozen=True)
class Bad:
    old: str
    rule: str
    message: str
    hint: str


BAD = (
    Bad("cmdline_show", "function-exists", "is not in vmlinux of 6.1.0-56-amd64", "did you mean"),
    Bad("nothing_like_it", "function-exists", "is not in vmlinux", "inlined"),
    Bad("s_show", "function-is-one", "has 3 functions", f"2 at {symbol('s_show', 2).address:#x}"),
    Bad("do_idle", "function-is-traceable", "no fentry call", "a function that calls it"),
    Bad("start_kernel", "function-outlives-boot", "is __init", ""),
    Bad("tcp_v4", "function-has-a-body-of-its-own", "tcp_v4.isra.0", "replace its callers"),
)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.rule} {bad.old}")
def test_a_function_that_cannot(tmp_path: Path, bad: Bad) -> None:
    (problem,) = refused(tmp_path, one(bad.old))
    assert spots((problem,)) == [(bad.rule, 13, 14)]
    assert f'"{bad.old}"' in problem.message
    assert bad.message in problem.message
    assert bad.hint in (problem.hint or "")


def test_the_hint_of_several_says_which_is_not_traceable(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, one("s_show"))
    assert str(problem.hint).count("(not traceable)") == 1
    assert str(problem.hint).endswith(f"3 at {symbol('s_show', 3).address:#x} (not traceable)")
    problems = refused(tmp_path, one("s_show"), facts=DEEP)
    hints = [str(found.hint) for found in problems if found.rule == "function-is-one"]
    assert hints[0].endswith("in s_show.3.c (not traceable)")


@pytest.mark.parametrize(
    ("sympos", "rule"),
    [(1, None), (2, None), (3, "function-is-traceable"), (4, "function-exists")],
)
def test_a_position_tells_them_apart(tmp_path: Path, sympos: int, rule: str | None) -> None:
    text = one("s_show", extra=f"        sympos: {sympos}\n")
    if rule is None:
        assert planned(tmp_path, text).anchor.functions[0].sympos == sympos
    else:
        assert spots(refused(tmp_path, text)) == [(rule, 13, 14)]


def test_a_position_that_is_not_needed_is_left_to_the_kernel(tmp_path: Path) -> None:
    text = one("cmdline_proc_show", extra="        sympos: 1\n")
    assert planned(tmp_path, text).anchor.functions[0].sympos == 0


def test_a_module_of_the_kernel(tmp_path: Path) -> None:
    made = planned(tmp_path, one("lo_open", object_="loop"))
    assert (made.anchor.name, made.anchor.functions) == (None, ())
    (entry,) = made.modules
    assert entry.name == "loop"
    assert entry.functions == (FunctionPatch(old="lo_open", new="lp_x", sympos=0),)
    assert "anchor" in {decision.what for decision in made.decisions}


@pytest.mark.parametrize(
    ("old", "rule"),
    [
        ("lo_opem", "function-exists"),
        ("cmdline_proc_show", "function-exists"),
        ("lo_init", "function-outlives-boot"),
        ("lo_free", "function-has-a-body-of-its-own"),
    ],
)
def test_a_function_of_a_module_that_cannot(tmp_path: Path, old: str, rule: str) -> None:
    assert spots(refused(tmp_path, one(old, object_="loop"))) == [(rule, 13, 14)]


def test_a_module_that_the_kernel_does_not_have(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, one("lo_open", object_="lop"))
    assert spots((problem,)) == [("module-is-known", 11, 11)]
    assert "built in" in str(problem.hint)


def test_a_module_that_the_tests_build(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target/Kbuild").touch()
    made = planned(tmp_path, one("conn_open", object_="conn", extra="test: {targets: [conn]}\n"))
    assert [entry.name for entry in made.modules] == ["conn"]
    assert made.modules[0].functions[0].sympos == 0


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    functions = "".join(f"      - {{old: {bad.old}, new: lp_{bad.old}}}\n" for bad in BAD)
    text = f"{HEAD}{NEEDS}objects:\n  - name: vmlinux\n    functions:\n{functions}"
    at = replace(kernel(), release="6.12.0-1-amd64")
    found = refused(tmp_path, text, kernel=at, engine="simulated")
    assert [problem.rule for problem in found] == [
        "kernel-is-named",
        "engine-provides-the-mode",
        *(bad.rule for bad in BAD),
    ]


# -- the kernel


@pytest.mark.parametrize("option", abi.LIVEPATCH_CONFIG)
@pytest.mark.parametrize("said", ["# CONFIG_{} is not set", ""])
def test_a_kernel_without_live_patching(tmp_path: Path, option: str, said: str) -> None:
    lines = [f"CONFIG_{name}=y" for name in abi.LIVEPATCH_CONFIG if name != option]
    config = parse_config("\n".join([*lines, said.format(option)]))
    with pytest.raises(EnvironmentMissing, match=f"without CONFIG_{option}$") as caught:
        planned(tmp_path, one("cmdline_proc_show"), config=config)
    assert caught.value.exit_code == 4
    assert "cannot be live patched" in str(caught.value.hint)


@pytest.mark.parametrize(
    "release", ["6.1.0-56-cloud-amd64", "6.1.0-56-arm64", "6.12.0-1-amd64", "6.1.0-amd64"]
)
def test_a_kernel_that_is_not_named(tmp_path: Path, release: str) -> None:
    found = refused(tmp_path, one("cmdline_proc_show"), kernel=kernel(release=release))
    assert spots(found) == [("kernel-is-named", 7, 10)]
    assert release in found[0].message


# -- mode and engine


@pytest.mark.parametrize(
    ("needs", "mode"),
    [
        ("LEAVE_KERNEL, SWITCH_THREAD", "kgraft"),
        ("LEAVE_PATCHED_SET, SWITCH_KERNEL", "kpatch"),
        ("LEAVE_KERNEL, SWITCH_KERNEL", "checkpoint"),
    ],
)
def test_needs_that_only_lppacks_own_engine_meets(tmp_path: Path, needs: str, mode: str) -> None:
    text = one("cmdline_proc_show").replace("LEAVE_PATCHED_SET, SWITCH_THREAD", needs)
    made = planned(tmp_path, f"{text}kthreads: patched-set\n")
    assert (made.mode.name, made.engine) == (mode, EngineName.CONSISTENCY)
    (value,) = (item.value for item in made.decisions if item.what == "kernel threads")
    assert value == f"LEAVE_PATCHED_SET {made.mode.switch.name}"


def test_a_mode_of_the_manifest_that_the_engine_does_not_give(tmp_path: Path) -> None:
    text = one("cmdline_proc_show", extra="mode: refcount\n")
    found = refused(tmp_path, text, engine="livepatch")
    assert spots(found) == [("engine-provides-the-mode", 15, 7)]


def test_functions_that_are_counted_have_wrappers(tmp_path: Path) -> None:
    made = planned(tmp_path, one("cmdline_proc_show", extra="mode: refcount\n"))
    assert [fn.words for fn in made.anchor.functions] == [6]
    [why] = [d for d in made.decisions if d.what == "count vmlinux:cmdline_proc_show"]
    assert why.value == "6 words"
    found = refused(tmp_path, one("_printk", extra="mode: refcount\n"))
    assert spots(found) == [("counted-functions-can-be-wrapped", 13, 14)]


@pytest.mark.parametrize("engine", ["simulated", "kpatch"])
def test_an_engine_that_this_version_does_not_have(tmp_path: Path, engine: str) -> None:
    found = refused(tmp_path, one("cmdline_proc_show"), engine=engine)
    assert spots(found) == [("engine-provides-the-mode", 9, 8)]


@pytest.mark.parametrize(
    ("engine", "chosen"),
    [("auto", "livepatch"), ("livepatch", "livepatch"), ("consistency", "consistency")],
)
def test_an_engine_that_it_has(tmp_path: Path, engine: str, chosen: str) -> None:
    assert planned(tmp_path, one("cmdline_proc_show"), engine=engine).engine == chosen


MIXES = "threads-are-not-preempted-in-kernel-code"


def preempting(option: str = "PREEMPT") -> KernelConfig:
    return KernelConfig({**CONFIG, option: "y"})


@pytest.mark.parametrize(
    ("words", "engine", "warned"),
    [
        ({}, "consistency", False),
        ({"engine": "livepatch"}, "livepatch", True),
        ({"engine": "consistency"}, "consistency", False),
        ({"config": CONFIG}, "livepatch", False),
    ],
    ids=["auto", "the kernel's", "lppack's", "voluntary"],
)
def test_where_kernel_code_is_preempted_auto_takes_lppacks_own_engine(
    tmp_path: Path, words: dict[str, Any], engine: str, warned: bool
) -> None:
    made = planned(tmp_path, TWO, **{"config": preempting(), **words})
    assert (made.engine, made.mode.name) == (engine, ModeName.HYBRID)
    assert (MIXES in {problem.rule for problem in made.warnings}) is warned
    (why,) = (item.why for item in made.decisions if item.what == "engine")
    said = "also where kernel code is preempted" in why
    assert said is (engine == "consistency")
    assert "only some of its modes" not in why


@pytest.mark.parametrize(
    "why",
    [
        *("one function", "the engine does not know it", "it replaces"),
        "it was tested there in few modes",
    ],
)
def test_where_lppacks_own_engine_is_not_to_be_had_auto_takes_the_kernels(
    tmp_path: Path, why: str
) -> None:
    facts = FakeFacts(FACTS.objects)
    text = one("cmdline_proc_show") if why == "one function" else TWO
    if why == "the engine does not know it":
        facts.release = "7.9.1+deb14-amd64"
    if why == "it replaces":
        text += "replaces: [conn-limit]\n"
    if why == "it was tested there in few modes":
        facts.release = "7.2.12+deb13-amd64"
        asked = planned(tmp_path, text, facts, engine="consistency", config=preempting())
        assert asked.engine == "consistency"
        (told,) = (item.why for item in asked.decisions if item.what == "engine")
        assert told.endswith("only some of its modes and loads were tested")
    made = planned(tmp_path, text, facts, config=preempting("PREEMPT_LAZY"))
    assert made.engine == "livepatch"
    assert (MIXES in {problem.rule for problem in made.warnings}) is (why != "one function")


def test_what_it_replaces_is_left_to_the_kernels_own_engine(tmp_path: Path) -> None:
    text = one("cmdline_proc_show", extra="replaces: [conn-limit]\n")
    found = refused(tmp_path, text, engine="consistency")
    assert spots(found) == [("cumulative-patches-are-the-kernels", 15, 11)]


def test_a_mode_that_is_asked_for(tmp_path: Path) -> None:
    text = one("cmdline_proc_show")
    assert planned(tmp_path, text, mode="hybrid").mode.name is ModeName.HYBRID
    assert spots(refused(tmp_path, text, mode="null-model")) == [("mode-covers-the-needs", 9, 8)]
    assert planned(tmp_path, text, mode="kpatch").engine is EngineName.CONSISTENCY
    found = refused(tmp_path, text, mode="kpatch", engine="livepatch")
    assert spots(found) == [("engine-provides-the-mode", 9, 8)]


def test_weaker_needs_are_rounded_up_to_hybrid(tmp_path: Path) -> None:
    weak = "LEAVE_FUNCTION, SWITCH_FUNCTION"
    text = one("cmdline_proc_show").replace("LEAVE_PATCHED_SET, SWITCH_THREAD", weak)
    made = planned(tmp_path, text)
    assert made.mode.name is ModeName.HYBRID
    (why,) = (item.why for item in made.decisions if item.what == "mode")
    assert "the weakest default mode that covers LEAVE_FUNCTION" in why


def inlining(made: Plan) -> tuple[str, str, str]:
    """What is said of it in the plan, in the decision, and why."""
    [said] = [item for item in made.decisions if item.what == "inlining"]
    assert json.loads(made.info)["inlining"] == made.inlining.value == said.value
    return made.inlining.value, said.value, said.why


def test_the_plan_says_whether_inlining_was_checked(tmp_path: Path) -> None:
    text = one("cmdline_proc_show")
    assert inlining(planned(tmp_path, text))[::2] == (
        "unchecked",
        "callers may contain inlined copies of the old code: use --deep",
    )
    assert inlining(planned(tmp_path, text, facts=DEEP))[::2] == (
        "checked",
        "no caller contains an inlined copy of the old code",
    )
    left = inlining(planned(tmp_path, one("ep_poll"), facts=DEEP))
    assert left[::2] == (
        "checked",
        "inlined copies of the old code remain: ep_poll in worker_thread",
    )
    clone = inlining(planned(tmp_path, one("tcp_rcv"), facts=DEEP))
    assert clone[2] == "inlined copies of the old code remain: tcp_rcv in tcp_rcv.part.0"
    of_module = inlining(planned(tmp_path, one("lo_open", object_="loop"), facts=DEEP))
    assert of_module[0] == "unchecked"
    assert "of modules are not read (loop)" in of_module[2]


def test_a_fix_that_leaves_a_copy_is_refused(tmp_path: Path) -> None:
    text = one("udp_rcv", extra="fixes:\n  - {functions: [tcp_check]}\n")
    [problem] = refused(tmp_path, text, facts=DEEP)
    assert problem.rule == "fix-reaches-every-copy"
    assert (
        problem.message
        == '"tcp_check" is also inlined into tcp_rcv, which the patch does not replace'
    )


# -- what the module tells, and ids

FIXES = "fixes:\n  - {cve: CVE-2026-0001, functions: [f], effective: patched}\n"


def test_what_the_module_tells_of_itself(tmp_path: Path) -> None:
    made = planned(tmp_path, one("cmdline_proc_show", extra=FIXES))
    assert json.loads(made.info) == {
        "series": "conn-limit",
        "version": 2,
        "engine": "livepatch",
        "mode": "hybrid",
        "replaces": [],
        "transforms": [],
        "world": [],
        "fixes": [
            {
                "cve": "CVE-2026-0001",
                "commit": None,
                "functions": ["f"],
                "effective": "patched",
            }
        ],
        "irreversible": False,
        "inlining": "unchecked",
        "complete": "not checked",
        "release": RELEASE,
        "kernel": VERSION,
    }


def test_it_fits_one_page_of_sysfs(tmp_path: Path) -> None:
    def fixes(count: int) -> str:
        return "fixes:\n" + "".join(f"  - {{functions: [f{i}]}}\n" for i in range(count))

    made = planned(tmp_path, one("cmdline_proc_show", extra=fixes(40)))
    assert len(made.info.encode()) < 4095
    found = refused(tmp_path, one("cmdline_proc_show", extra=fixes(80)))
    assert spots(found) == [("fixes-fit-a-page", 16, 3)]


def test_ids_stay_the_same_for_ever() -> None:
    """They are compared with those of modules that older versions of lppack have built."""
    assert stable_id("series", "conn-limit") == SERIES_ID
    assert stable_id("shadow", "conn-limit", "conn_ext", "1") == SHADOW_ID


# sha256 of the words behind "lppack", joined by NUL; the first 64 bits, made odd.
SERIES_ID = 0xC92EF13A7E6C8321
SHADOW_ID = 0xE16B542A711E1733


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.lists(st.text(), max_size=3))
def test_ids_are_never_zero_and_fit(words: list[str]) -> None:
    try:
        id_ = stable_id(*words)
    except UnicodeEncodeError:
        return
    assert 0 < id_ < 1 << 64


def test_ids_differ_by_series_name_and_version() -> None:
    ids = {
        stable_id("series", "a"),
        stable_id("series", "b"),
        stable_id("shadow", "a", "x", "1"),
        stable_id("shadow", "a", "x", "2"),
        stable_id("shadow", "a", "y", "1"),
        stable_id("shadow", "b", "x", "1"),
    }
    assert len(ids) == 6


def test_the_plan_carries_the_ids(tmp_path: Path) -> None:
    text = one("cmdline_proc_show").replace("SWITCH_THREAD", "SWITCH_THREAD, TRANSFORM_ON_ACCESS")
    text += (
        "transforms:\n  - {name: t, object: vmlinux, type: struct t, marker: lp_m,"
        " context: process, lock: {take: lp_l, release: lp_u}, forward: lp_f, reverse: lp_r}\n"
        "shadow_variables:\n"
        "  - {name: ext, version: 3, type: struct e, attached_to: struct t, transform: t}\n"
    )
    made = planned(tmp_path, text)
    ((variable, id_),) = made.shadows
    assert (variable.name, id_) == ("ext", stable_id("shadow", "conn-limit", "ext", "3"))
    assert made.series_state == stable_id("series", "conn-limit")
    assert made.shadow_ids_of("t") == (("ext", id_),)
    assert made.shadow_ids_of("u") == ()
    assert made.converts
    assert json.loads(made.info)["transforms"] == ["t"]


def test_symbols_get_their_positions(tmp_path: Path) -> None:
    text = one("cmdline_proc_show") + (
        "    symbols:\n"
        "      - ep_poll\n"
        "      - {name: s_show, sympos: 3, as: third}\n"
        "      - {name: udp_rcv, sympos: 1}\n"
        "      - {name: _printk, as: lp_print}\n"
        "      - _printk\n"
    )
    made = planned(tmp_path, text)
    assert made.resolved == (
        ("vmlinux", SymbolUse(name="ep_poll", c_name="ep_poll", sympos=0)),
        ("vmlinux", SymbolUse(name="s_show", c_name="third", sympos=3)),
        ("vmlinux", SymbolUse(name="udp_rcv", c_name="udp_rcv", sympos=0)),
        ("vmlinux", SymbolUse(name="_printk", c_name="lp_print", sympos=0)),
    )
    assert made.anchor.symbols[-1].exported
    told = {item.what: item.why for item in made.decisions}
    assert told["symbol vmlinux:s_show"].startswith("position 3 of several")


def test_an_exported_symbol_of_the_kernel_stays_an_ordinary_one(tmp_path: Path) -> None:
    made = planned(tmp_path, one("cmdline_proc_show") + "    symbols: [_printk]\n")
    assert made.resolved == ()


def test_symbols_of_a_module_are_functions_or_data(tmp_path: Path) -> None:
    text = one("lo_open", object_="loop") + "    symbols: [{name: lo_open, as: loop_open}]\n"
    made = planned(tmp_path, text)
    (entry,) = made.with_slots
    assert [slot.slot for slot in entry.slots] == ["lp_old_lp_x", "lp_slot_loop_open"]
    assert entry.symbols[0].callable
    assert "lp_slots.o" in made.objects
    assert not made.clears_relocations
    told = {item.what: item.value for item in made.decisions}
    assert told["slots"] == "cleared by generated code"


def test_a_kernel_that_clears_relocations_is_known_by_the_function_that_does(
    tmp_path: Path,
) -> None:
    named = [*FACTS.objects["vmlinux"], symbol(abi.CLEARS_RELOCATIONS)]
    made = planned(tmp_path, one("ep_poll"), FakeFacts({**FACTS.objects, "vmlinux": named}))
    assert made.clears_relocations


def test_symbols_of_a_test_target_are_what_the_sources_take_them_for(tmp_path: Path) -> None:
    text = one("conn_open", object_="conn") + (
        "    symbols: [lp_x, conn_table]\ntest: {targets: [conn]}\n"
    )
    text = text.replace("new: lp_x", "new: lp_y").replace("symbols: [lp_x", "symbols: [conn_find")
    (tmp_path / "target").mkdir()
    (tmp_path / "target/Kbuild").write_text("obj-m := conn.o\n")
    (tmp_path / "target/conn.c").write_text("int x;\n")
    (tmp_path / "conn.h").write_text("int conn_find(int n);\nextern int conn_table[4];\n")
    made = planned(tmp_path, text + "headers: [conn.h]\n")
    assert [(s.name, s.callable) for s in made.modules[0].symbols] == [
        ("conn_find", True),
        ("conn_table", False),
    ]
