# SPDX-License-Identifier: MIT
"""What every engine must do: phases, refusals with the kernel's errno, time-outs, ways back."""

import errno

import pytest

from lppack.abi import PatchPhase
from lppack.engines.protocol import ALREADY
from lppack.errors import ApplyRefused, ApplyReversed, ApplyStuck, HostError
from lppack.stages.apply import Control, apply, settle, stop_conversion, unload
from lppack.stages.convert import convert
from lppack.stages.revert import revert
from lppack.stages.status import status
from tests.contract.world import SLEPT_IN, World


def phase(world: World) -> PatchPhase:
    return world.control.engine.state(world.bundle.module).phase


def impatient(world: World) -> Control:
    c = world.control
    return Control(engine=c.engine, host=c.host, clock=c.clock, timeout=3.0, say=c.say)


def refused(number: int, error: HostError) -> bool:
    return error.errno == number


def test_forth_and_back(world: World) -> None:
    c, bundle = world.control, world.bundle
    assert phase(world) is PatchPhase.ABSENT
    report = apply(c, bundle, world.ko)
    assert (report.phase, report.conversion, report.series) == (
        PatchPhase.PATCHED,
        "on",
        "conn-limit",
    )
    world.use()
    assert world.new_data() > 0
    assert c.engine.state(bundle.module).converted >= world.new_data()
    [told] = [r for r in status(c.engine, c.host.name) if r.series == "conn-limit"]
    assert (told.phase, told.mode) == (PatchPhase.PATCHED, bundle.mode)
    gone = revert(c, "conn-limit")
    assert (gone.phase, phase(world)) == (PatchPhase.ABSENT, PatchPhase.ABSENT)
    assert world.new_data() == 0
    assert all(state.module != bundle.module for state in c.engine.patches())


def test_what_is_replaced_is_told_while_it_is(world: World) -> None:
    c, bundle = world.control, world.bundle
    apply(c, bundle, world.ko, convert=False)
    assert c.engine.replaced(bundle.module) == set(bundle.functions)
    revert(c, "conn-limit")
    assert c.engine.replaced(bundle.module) == frozenset()


def test_conversion_is_busy_before_the_transition_is_complete(world: World) -> None:
    c, module = world.control, world.bundle.module
    with world.asleep():
        c.engine.load(module, world.ko)
        c.clock.sleep(2.0)
        state = c.engine.state(module)
        assert state.phase is PatchPhase.PATCHING
        assert {b.function for b in state.blockers} & {SLEPT_IN, f"lp_{SLEPT_IN}"}
        with pytest.raises(HostError) as caught:
            c.engine.convert(module, on=True)
        assert refused(errno.EBUSY, caught.value)
    assert settle(c, module, PatchPhase.PATCHED, 60.0)[0].phase is PatchPhase.PATCHED
    c.engine.convert(module, on=True)
    revert(c, "conn-limit")


def test_a_sleeper_in_old_code_times_apply_out_and_it_is_reversed(world: World) -> None:
    with world.asleep():
        with pytest.raises(ApplyReversed, match=SLEPT_IN):
            apply(impatient(world), world.bundle, world.ko)
        assert phase(world) is PatchPhase.ABSENT
    assert apply(world.control, world.bundle, world.ko).phase is PatchPhase.PATCHED
    revert(world.control, "conn-limit")


def test_a_sleeper_in_new_code_times_revert_out_and_it_stays_patched(world: World) -> None:
    c = world.control
    apply(c, world.bundle, world.ko)
    world.use()
    with world.asleep():
        with pytest.raises(ApplyReversed, match="patched as before"):
            revert(impatient(world), "conn-limit")
        assert phase(world) is PatchPhase.PATCHED
        state = c.engine.state(world.bundle.module)
        assert state.convert
    assert revert(c, "conn-limit").phase is PatchPhase.ABSENT


def test_a_transition_can_be_turned_round_twice(world: World) -> None:
    c, module = world.control, world.bundle.module
    with world.asleep():
        c.engine.load(module, world.ko)
        c.engine.reverse(module)
        assert phase(world) in (PatchPhase.UNPATCHING, PatchPhase.UNPATCHED)
        settle(c, module, PatchPhase.UNPATCHED, 60.0)
    assert unload(c, module)
    apply(c, world.bundle, world.ko, convert=False)
    with world.asleep():
        c.engine.reverse(module)
        c.clock.sleep(1.0)
        assert phase(world) is PatchPhase.UNPATCHING
        c.engine.reverse(module)
        assert settle(c, module, PatchPhase.PATCHED, 60.0)[0].phase is PatchPhase.PATCHED
    assert revert(c, "conn-limit").phase is PatchPhase.ABSENT


def test_a_revert_of_what_unpatches_already_never_patches_it(world: World) -> None:
    c, module = world.control, world.bundle.module
    apply(c, world.bundle, world.ko)
    world.use()
    with world.asleep():
        assert stop_conversion(c, module, 30.0)
        c.engine.reverse(module, to=False)
        c.clock.sleep(1.0)
        assert phase(world) is PatchPhase.UNPATCHING
        with pytest.raises(HostError) as caught:
            c.engine.reverse(module, to=False)
        assert caught.value.errno in ALREADY
        with pytest.raises(ApplyStuck, match="it was unpatching before this command"):
            revert(impatient(world), "conn-limit")
        assert phase(world) is PatchPhase.UNPATCHING
    assert revert(c, "conn-limit").phase is PatchPhase.ABSENT
    assert world.new_data() == 0


def test_a_module_in_use_is_not_unloaded(world: World) -> None:
    c, module = world.control, world.bundle.module
    apply(c, world.bundle, world.ko, convert=False)
    with pytest.raises(HostError):
        c.engine.unload(module)
    assert phase(world) is PatchPhase.PATCHED
    revert(c, "conn-limit")


def test_what_is_live_is_refused(world: World) -> None:
    c = world.control
    apply(c, world.bundle, world.ko, convert=False)
    with pytest.raises(ApplyRefused):
        apply(c, world.bundle, world.ko)
    with pytest.raises(ApplyRefused):
        convert(c, "another-series")
    assert phase(world) is PatchPhase.PATCHED
    assert convert(c, "conn-limit").conversion == "on"
    revert(c, "conn-limit")
    with pytest.raises(ApplyRefused):
        revert(c, "conn-limit")


def test_conversion_can_be_taken_back_and_enabled_again(world: World) -> None:
    c, module = world.control, world.bundle.module
    apply(c, world.bundle, world.ko)
    world.use()
    assert world.new_data() > 0
    assert stop_conversion(c, module, 30.0)
    assert (world.new_data(), c.engine.state(module).convert) == (0, False)
    world.use()
    assert world.new_data() == 0
    convert(c, "conn-limit")
    world.use()
    assert world.new_data() > 0
    revert(c, "conn-limit")


def test_the_log_says_it_in_the_kernels_words_and_order(world: World) -> None:
    c, module = world.control, world.bundle.module
    before = len(c.host.run(["dmesg"], limit=30.0).out.splitlines())
    apply(c, world.bundle, world.ko)
    revert(c, "conn-limit")
    said = [
        line[line.index("livepatch: ") :]
        for line in c.host.run(["dmesg"], limit=30.0).out.splitlines()[before:]
        if "livepatch: " in line and module in line
    ]
    # kernel/livepatch/core.c: __klp_enable_patch(); transition.c: klp_init_transition(),
    # klp_start_transition(), klp_complete_transition() (v6.1).
    assert said == [
        f"livepatch: enabling patch '{module}'",
        f"livepatch: '{module}': starting patching transition",
        f"livepatch: '{module}': patching complete",
        f"livepatch: '{module}': starting unpatching transition",
        f"livepatch: '{module}': unpatching complete",
    ]
