# SPDX-License-Identifier: MIT
"""Steps that apply, convert and revert share: all waiting and undoing."""

import errno
from dataclasses import replace

import pytest

from lppack.abi import PatchPhase
from lppack.engines.protocol import Blocker, PatchState
from lppack.errors import ApplyRefused, HostError, NotConverted
from lppack.stages.drive import (
    answered,
    describe_blockers,
    enable_conversion,
    refuse_limits,
    settle,
    standing,
    steer,
    stop_conversion,
    undo,
    unload,
    why_loaded,
)
from tests.kit.control import MODULE, control, patched
from tests.kit.fake_kernel import FOR_EVER, FakeHost, FakeKernel, Patch, Thread, info

SLEEPER = Thread(700, 701, "conn worker", stack=("schedule", "lp_conn_open"))


def moving(kernel: FakeKernel, *, enabled: bool = True) -> None:
    kernel.patches[MODULE] = Patch(info=info(), enabled=enabled)
    kernel.moving, kernel._left = MODULE, 2


def test_it_waits_until_the_phase_is_reached(kernel: FakeKernel, host: FakeHost) -> None:
    moving(kernel)
    state, seconds = settle(control(host), MODULE, PatchPhase.PATCHED, 10.0)
    assert state.phase is PatchPhase.PATCHED
    assert 0 < seconds < 1


def test_it_waits_no_longer_than_it_is_told(kernel: FakeKernel, host: FakeHost) -> None:
    moving(kernel)
    kernel.blocked[True] = (SLEEPER,)
    said: list[str] = []
    state, seconds = settle(control(host, said.append), MODULE, PatchPhase.PATCHED, 20.0)
    assert state.phase is PatchPhase.PATCHING
    assert seconds == pytest.approx(20.0)
    assert said == ["patching: conn worker (pid 700) sleeps in lp_conn_open"], "once"


def test_what_is_gone_is_not_waited_for(kernel: FakeKernel, host: FakeHost) -> None:
    state, seconds = settle(control(host), MODULE, PatchPhase.PATCHED, 20.0)
    assert (state.phase, seconds) == (PatchPhase.ABSENT, 0.0)


def test_blockers_in_one_line_and_not_without_end() -> None:
    def state(count: int, **more: str) -> PatchState:
        blockers = tuple(
            Blocker(pid=n, tid=n, comm="sh", function=None, reason="runs") for n in range(count)
        )
        return PatchState(
            module="m",
            phase=PatchPhase.PATCHING,
            convert=None,
            converted=0,
            blockers=blockers,
            **more,  # type: ignore[arg-type]
        )

    assert describe_blockers(state(0)) == "no thread is seen to block"
    assert describe_blockers(state(0, problem="gave up")) == "gave up"
    assert describe_blockers(state(2)) == "sh (pid 0) runs; sh (pid 1) runs"
    assert describe_blockers(state(6)).endswith("; and 2 more")


def test_a_host_that_does_not_answer_is_a_refusal(host: FakeHost) -> None:
    def query() -> None:
        raise HostError("/x", errno.EIO)

    with pytest.raises(ApplyRefused, match="nothing was changed on fake") as caught:
        answered(control(host), query)
    assert caught.value.reason == "unanswered"
    assert answered(control(host), lambda: 7) == 7


def test_limits_are_for_lppacks_own_engine(host: FakeHost) -> None:
    asked = replace(control(host), max_stop=2, max_hold=3)
    with pytest.raises(ApplyRefused, match="--max-stop and --max-hold") as caught:
        refuse_limits(asked, "livepatch")
    assert caught.value.reason == "no-limits"
    refuse_limits(asked, "consistency")
    refuse_limits(control(host), "livepatch")


def test_conversion_that_cannot_be_enabled_says_how_to_go_on(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches[MODULE] = patched(convert=False)
    kernel.convert_error = errno.EIO
    with pytest.raises(NotConverted) as caught:
        enable_conversion(control(host), MODULE, "conn-limit")
    assert caught.value.hint == "try: lppack convert conn-limit --on fake"
    assert caught.value.report is not None


@pytest.mark.parametrize(("held", "stopped"), [(0, True), (3, True), (FOR_EVER, False)])
def test_conversions_that_are_under_way_are_waited_for(
    kernel: FakeKernel, host: FakeHost, held: int, stopped: bool
) -> None:
    kernel.patches[MODULE] = patched()
    kernel.convert_held = held
    assert stop_conversion(control(host), MODULE, 5.0) is stopped
    assert kernel.patches[MODULE].convert is False


def test_another_error_of_conversion_is_one(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    kernel.convert_error = errno.EIO
    with pytest.raises(HostError):
        stop_conversion(control(host), MODULE, 5.0)


def test_what_is_irreversible_is_not_stopped_but_refused(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches[MODULE] = Patch(
        info=info(irreversible=True), complete=True, convert=True, converted=3
    )
    with pytest.raises(ApplyRefused, match="3 objects that it has converted") as caught:
        stop_conversion(control(host), MODULE, 5.0)
    assert caught.value.reason == "irreversible"


def test_a_module_is_unloaded_as_soon_as_the_kernel_lets_it_go(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches[MODULE] = Patch(info=info(), known=False, enabled=False)
    kernel.rmmod_busy = 3
    assert unload(control(host), MODULE)
    assert kernel.patches == {}


def test_a_module_with_a_thread_inside_stays_and_says_why(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches[MODULE] = Patch(info=info(), known=False, enabled=False)
    kernel.inside = (Thread(9, 9, "sh", stack=("lp_conn_open",)),)
    assert not unload(control(host), MODULE)
    assert kernel.looks < 20, "each look may stop the machine: they get rare"
    assert "sh (pid 9)" in why_loaded(control(host), MODULE)
    kernel.inside = ()
    kernel.rmmod_busy = FOR_EVER
    assert not unload(control(host), MODULE)
    assert why_loaded(control(host), MODULE).startswith("the kernel does not let the module go")


def test_a_live_module_is_not_unloaded(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    assert not unload(control(host), MODULE)
    assert kernel.log == []


def test_to_send_it_where_it_goes_already_is_no_error(kernel: FakeKernel, host: FakeHost) -> None:
    moving(kernel, enabled=False)
    steer(control(host), MODULE, to=False)
    steer(control(host), "lppack_gone_1", to=False)
    kernel.patches["lppack_other_1"] = patched()
    with pytest.raises(HostError):  # EBUSY: another transition is under way
        steer(control(host), "lppack_other_1", to=False)


@pytest.mark.parametrize("enabled", [True, False])
def test_undo_takes_all_of_it_back_from_the_middle_of_a_transition(
    kernel: FakeKernel, host: FakeHost, enabled: bool
) -> None:
    moving(kernel, enabled=enabled)
    assert undo(control(host), MODULE).phase is PatchPhase.ABSENT
    assert kernel.patches == {}


def test_undo_stops_conversion_first(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    assert undo(control(host), MODULE).phase is PatchPhase.ABSENT
    assert kernel.log[:2] == [f"{MODULE} convert 0", f"{MODULE} enabled 0"]


@pytest.mark.parametrize(
    "patch",
    [
        Patch(info=info(irreversible=True), complete=True, convert=True, converted=3),
        replace(patched(), still_new="2 lp_reverse"),
    ],
)
def test_undo_leaves_what_old_code_would_misread(
    kernel: FakeKernel, host: FakeHost, patch: Patch
) -> None:
    kernel.patches[MODULE] = patch
    assert undo(control(host), MODULE).phase is PatchPhase.PATCHED
    assert f"{MODULE} enabled 0" not in kernel.log


def test_where_a_patch_stands_is_told_as_far_as_the_host_answers(
    kernel: FakeKernel, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.patches[MODULE] = patched()
    made = control(host)
    state = made.engine.state(MODULE)
    shown = standing(made, state, held_up_by=state, seconds=4.0)
    assert shown is not None
    kernel.patches.clear()
    gone = standing(made, state)
    assert gone is not None and gone["patches"][0]["phase"] == "absent"  # type: ignore[index]

    def silent(_path: str) -> str:
        raise HostError("/x", errno.EIO)

    monkeypatch.setattr(host, "read", silent)
    assert standing(made, state) is None
