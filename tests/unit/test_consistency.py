# SPDX-License-Identifier: MIT
import re
from collections.abc import Iterator

import pytest

from lppack.consistency import (
    AUTO_ORDER,
    MODES,
    EngineName,
    Leave,
    Mode,
    ModeName,
    Needs,
    Switch,
    Transform,
    mode_named,
    refusal,
    weakest,
)
from lppack.resources import kmod_dir, schema

F, P, K = Leave.LEAVE_FUNCTION, Leave.LEAVE_PATCHED_SET, Leave.LEAVE_KERNEL
SF, ST, SK = Switch.SWITCH_FUNCTION, Switch.SWITCH_THREAD, Switch.SWITCH_KERNEL
PAIRS = [(leave, switch) for leave in Leave for switch in Switch]

#: design.md 2: the weakest of hybrid, kpatch, kgraft, checkpoint that gives at least this.
WEAKEST = {
    (F, SF): ModeName.HYBRID,
    (F, ST): ModeName.HYBRID,
    (F, SK): ModeName.KPATCH,
    (P, SF): ModeName.HYBRID,
    (P, ST): ModeName.HYBRID,
    (P, SK): ModeName.KPATCH,
    (K, SF): ModeName.KGRAFT,
    (K, ST): ModeName.KGRAFT,
    (K, SK): ModeName.CHECKPOINT,
}

#: design.md 2, the table of modes.
GIVES = {
    ModeName.NULL_MODEL: (F, SF),
    ModeName.HYBRID: (P, ST),
    ModeName.KPATCH: (P, SK),
    ModeName.REFCOUNT: (P, SK),
    ModeName.KGRAFT: (K, ST),
    ModeName.CHECKPOINT: (K, SK),
}


def test_there_are_nine_pairs() -> None:
    assert len(PAIRS) == 9
    assert set(WEAKEST) == set(PAIRS)


@pytest.mark.parametrize(("leave", "switch"), PAIRS, ids=lambda flag: flag.name)
def test_auto_takes_the_weakest_mode_that_covers(leave: Leave, switch: Switch) -> None:
    assert weakest(Needs(leave=leave, switch=switch)).name is WEAKEST[leave, switch]


@pytest.mark.parametrize(("leave", "switch"), PAIRS, ids=lambda flag: flag.name)
def test_no_mode_that_auto_may_take_is_weaker(leave: Leave, switch: Switch) -> None:
    needs = Needs(leave=leave, switch=switch)
    taken = weakest(needs)
    assert taken.covers(needs)
    for mode in map(mode_named, AUTO_ORDER):
        weaker = taken.covers(Needs(leave=mode.leave, switch=mode.switch)) and mode is not taken
        assert not (weaker and mode.covers(needs)), mode.name


def test_each_mode_gives_what_the_design_says() -> None:
    assert {mode.name: (mode.leave, mode.switch) for mode in MODES} == GIVES


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize(("leave", "switch"), PAIRS, ids=lambda flag: flag.name)
def test_covering_holds_on_both_axes(mode: Mode, leave: Leave, switch: Switch) -> None:
    order_leave, order_switch = [F, P, K], [SF, ST, SK]
    enough = order_leave.index(mode.leave) >= order_leave.index(leave)
    enough = enough and order_switch.index(mode.switch) >= order_switch.index(switch)
    assert mode.covers(Needs(leave=leave, switch=switch)) is enough


def test_null_model_and_refcount_are_taken_only_when_asked_for() -> None:
    assert AUTO_ORDER == (ModeName.HYBRID, ModeName.KPATCH, ModeName.KGRAFT, ModeName.CHECKPOINT)
    taken = {weakest(Needs(leave=leave, switch=switch)).name for leave, switch in PAIRS}
    assert taken == set(AUTO_ORDER)


def test_each_mode_has_its_name_once() -> None:
    assert [mode_named(name).name for name in ModeName] == list(ModeName)
    assert len(MODES) == len(ModeName)


def test_kpatch_and_refcount_differ_in_how_they_know() -> None:
    assert mode_named(ModeName.KPATCH).method != mode_named(ModeName.REFCOUNT).method


def test_the_kernels_own_engine_gives_hybrid_alone() -> None:
    names = {mode.name for mode in MODES if EngineName.LIVEPATCH in mode.engines}
    assert names == {ModeName.HYBRID}
    assert all(EngineName.CONSISTENCY in mode.engines for mode in MODES)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_kernel_threads_have_no_border(mode: Mode) -> None:
    assert mode.kthread is not K
    assert mode.kthread is (P if mode.leave is K else mode.leave)


@pytest.mark.parametrize(("leave", "switch"), PAIRS, ids=lambda flag: flag.name)
def test_transform_world_is_allowed_where_one_stop_flips_all(leave: Leave, switch: Switch) -> None:
    """semantics.md I13: exactly LEAVE_PATCHED_SET and LEAVE_KERNEL with SWITCH_KERNEL."""
    reason = refusal(Needs(leave=leave, switch=switch, transform=Transform.TRANSFORM_WORLD))
    assert (reason is None) is ((leave, switch) in {(P, SK), (K, SK)})
    assert reason is None or "TRANSFORM_WORLD" in reason


@pytest.mark.parametrize(("leave", "switch"), PAIRS, ids=lambda flag: flag.name)
def test_transform_on_access_is_refused_while_old_functions_may_run(
    leave: Leave, switch: Switch
) -> None:
    """semantics.md I14."""
    reason = refusal(Needs(leave=leave, switch=switch, transform=Transform.TRANSFORM_ON_ACCESS))
    assert (reason is None) is (leave is not F)
    assert reason is None or "LEAVE_FUNCTION" in reason


@pytest.mark.parametrize(("leave", "switch"), PAIRS, ids=lambda flag: flag.name)
def test_without_data_every_pair_is_legal(leave: Leave, switch: Switch) -> None:
    assert refusal(Needs(leave=leave, switch=switch)) is None


def _enums(part: object) -> Iterator[list[object]]:
    if isinstance(part, dict):
        yield from [part["enum"]] if isinstance(part.get("enum"), list) else []
        for below in part.values():
            yield from _enums(below)
    elif isinstance(part, list):
        for below in part:
            yield from _enums(below)


def test_schemas_and_c_know_every_mode() -> None:
    names = [mode.value for mode in ModeName]
    manifest = schema("manifest-v1")["properties"]["mode"]["enum"]
    assert manifest == names
    lists = [found for found in _enums(schema("output-v1")) if "hybrid" in found]
    assert names in lists
    # What is never sampled, or is "none of them".
    assert all({*found} <= {*names, None} for found in lists)
    engine = (kmod_dir() / "engine/patch.c").read_text()
    assert re.findall(r'\[LPE_\w+\] = \{ \.name = "([^"]+)"', engine) == names
