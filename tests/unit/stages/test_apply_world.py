# SPDX-License-Identifier: MIT
"""TRANSFORM_WORLD as apply and revert tell it, and an engine that gives a transition up."""

from dataclasses import replace

import pytest

from lppack.abi import PatchPhase
from lppack.consistency import EngineName
from lppack.engines.consistency import Consistency
from lppack.errors import ApplyRefused, ApplyReversed, ApplyStuck
from lppack.proc import Say
from lppack.stages.apply import Control, apply, silent
from lppack.stages.convert import convert
from lppack.stages.revert import revert
from tests.kit.control import KO, MODULE, TIMEOUT
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, info
from tests.kit.samples import bundle

INFO = info(converts=False, world=True, engine="consistency", mode="kpatch")
BUNDLE = bundle(converts=False, world=True)
WHY = "transform conn: forward refused an instance: -34"


@pytest.fixture
def world(host: FakeHost) -> FakeHost:
    host.modules[MODULE] = Patch(info=INFO)
    return host


def control(host: FakeHost, say: Say = silent) -> Control:
    engine = Consistency(host)
    return Control(engine=engine, host=host, timeout=TIMEOUT, clock=host.kernel.clock, say=say)


def test_the_data_is_converted_when_it_is_patched(world: FakeHost) -> None:
    said: list[str] = []
    report = apply(control(world, said.append), BUNDLE, KO)
    assert (report.conversion, report.converted, report.longest_stop_ms) == ("done", 3, 1.5)
    assert [fix["live"] for fix in report.fixes] == [True, True]
    assert said[-1] == "transformed: 3 instances, the longest stop took 1.5 ms"
    with pytest.raises(ApplyRefused, match="converted all data in the stop"):
        convert(control(world), "conn-limit")
    revert(control(world, said.append), "conn-limit")
    assert "transformed back: the longest stop took 1.5 ms" in said


def test_what_the_engine_gives_up_is_told_at_once(kernel: FakeKernel, world: FakeHost) -> None:
    kernel.gives_up = WHY
    with pytest.raises(ApplyReversed) as caught:
        apply(control(world), BUNDLE, KO)
    assert caught.value.message.startswith(f"{MODULE} was given up after 0 s: {WHY}\nreversed: ")
    assert kernel.clock.time < TIMEOUT
    assert MODULE not in kernel.patches


def test_a_revert_that_is_given_up_leaves_the_patch(kernel: FakeKernel, world: FakeHost) -> None:
    apply(control(world), BUNDLE, KO)
    kernel.gives_up = "transform conn: for_each gave up: -11"
    with pytest.raises(ApplyReversed, match="for_each gave up.*\n.*patched as before"):
        revert(control(world), "conn-limit")
    assert control(world).engine.state(MODULE).phase is PatchPhase.PATCHED
    assert kernel.log.count(f"{MODULE} enabled 0") == 1, "it is not tried once more by itself"


def test_a_revert_that_would_stop_the_machine_for_too_long_says_how_to_allow_it(
    kernel: FakeKernel, world: FakeHost
) -> None:
    apply(control(world), BUNDLE, KO)
    kernel.gives_up = "transform conn: max_stop_ms is too short to put all instances back: -62"
    with pytest.raises(ApplyReversed, match="too short to put all instances back") as caught:
        revert(control(world), "conn-limit")
    assert f"> /sys/kernel/lppack/{MODULE}/max_stop_ms; then" in str(caught.value.hint)
    kernel.gives_up = WHY
    with pytest.raises(ApplyReversed) as caught:
        revert(control(world), "conn-limit")
    assert "max_stop_ms" not in str(caught.value.hint)


def test_data_that_is_left_in_the_new_form_is_for_a_person(
    kernel: FakeKernel, world: FakeHost
) -> None:
    apply(control(world), BUNDLE, KO)

    def leaves() -> None:
        kernel.poll()
        kernel.patches[MODULE].problem = "transform conn: reverse left an instance in the new form"

    kernel.clock.on_sleep = leaves
    with pytest.raises(ApplyStuck, match="reverse left an instance") as caught:
        revert(control(world), "conn-limit")
    assert "restart" in str(caught.value.hint)


def test_limits_are_told_to_the_engine(world: FakeHost) -> None:
    limited = replace(control(world), max_stop=2, max_hold=3)
    apply(limited, replace(BUNDLE, engine=EngineName.CONSISTENCY), KO)
    assert world.kernel.patches[BUNDLE.module].limits == {"max_stop": 2, "max_hold": 3}
    again = replace(control(world), max_hold=7)
    patch = world.kernel.patches[BUNDLE.module]
    revert(again, BUNDLE.series)
    assert patch.limits == {"max_stop": 2, "max_hold": 7}
