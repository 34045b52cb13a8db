# SPDX-License-Identifier: MIT
import errno
from collections.abc import Callable
from dataclasses import replace

import pytest

from lppack.abi import PatchPhase
from lppack.errors import (
    ApplyRefused,
    ApplyReversed,
    ApplyStuck,
    Interrupted,
    LppackError,
    NotConverted,
)
from lppack.stages.apply import apply
from lppack.stages.convert import convert
from lppack.stages.revert import revert
from tests.kit.control import KO, MODULE, TIMEOUT, control, patched, snapshot, stranger
from tests.kit.fake_kernel import FOR_EVER, FakeHost, FakeKernel, Patch, Thread, info
from tests.kit.samples import bundle

SLEEPER = Thread(700, 701, "conn worker", stack=("schedule", "lp_conn_open", "do_syscall_64"))
SPINNER = Thread(800, 800, "spin", state="R")
OTHER = Thread(900, 900, "kthreadd", stack=("schedule", "kthreadd"))


def test_it_patches_waits_and_converts(kernel: FakeKernel, host: FakeHost) -> None:
    said: list[str] = []
    report = apply(control(host, said.append), bundle(), KO)
    assert kernel.log == [f"insmod {MODULE}", f"{MODULE} convert 1"]
    assert (report.phase, report.conversion, report.converted) == (PatchPhase.PATCHED, "on", 3)
    assert (report.series, report.version, report.module) == ("conn-limit", 2, MODULE)
    assert (report.engine, report.mode, report.host) == ("livepatch", "hybrid", "fake")
    assert [fix["live"] for fix in report.fixes] == [True, True]
    assert report.blockers == ()
    assert [line.partition(":")[0] for line in said] == ["patch", "patched", "converting"]


def test_the_module_file_does_not_stay_on_the_host(host: FakeHost) -> None:
    apply(control(host), bundle(), KO)
    assert host.dropped == {}


def test_phase_one_alone(kernel: FakeKernel, host: FakeHost) -> None:
    report = apply(control(host), bundle(), KO, convert=False)
    assert kernel.log == [f"insmod {MODULE}"]
    assert (report.phase, report.conversion) == (PatchPhase.PATCHED, "off")
    assert [fix["live"] for fix in report.fixes] == [True, False]
    report = convert(control(host), "conn-limit")
    assert report.conversion == "on"
    assert [fix["live"] for fix in report.fixes] == [True, True]


def test_a_patch_without_data_has_no_phase_two(kernel: FakeKernel, host: FakeHost) -> None:
    host.modules[MODULE] = Patch(info=info(converts=False))
    report = apply(control(host), bundle(converts=False), KO)
    assert kernel.log == [f"insmod {MODULE}"]
    assert (report.phase, report.conversion, report.converted) == (PatchPhase.PATCHED, "none", 0)


@pytest.mark.parametrize("polls", [0, 1, 7, 45])
def test_it_waits_as_long_as_the_transition_takes(
    kernel: FakeKernel, host: FakeHost, polls: int
) -> None:
    kernel.polls = polls
    assert apply(control(host), bundle(), KO).phase is PatchPhase.PATCHED
    assert kernel.clock.sleeps == max(polls, 1)


def test_a_long_wait_tells_who_is_waited_for(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.blocked[True] = (SLEEPER, SPINNER, OTHER, OTHER, OTHER, OTHER)
    said: list[str] = []
    with pytest.raises(ApplyReversed):
        apply(control(host, said.append), bundle(), KO)
    (line,) = [line for line in said if line.startswith("patching: ")][:1]
    assert line == (
        "patching: conn worker (pid 700) sleeps in lp_conn_open; "
        "spin (pid 800) runs, and has not crossed the border to user space; "
        "kthreadd (pid 900) not checked yet, or its stack is not reliable; "
        "kthreadd (pid 900) not checked yet, or its stack is not reliable; and 2 more"
    )


# -- refused: nothing was loaded


def _transition(kernel: FakeKernel, name: str, made: Patch) -> None:
    kernel.patches[name] = made
    kernel.moving = name
    made.complete = False
    kernel.blocked = {True: (OTHER,), False: (OTHER,)}


REFUSALS: dict[str, tuple[Callable[[FakeKernel], None], str]] = {
    "another release": (lambda k: setattr(k, "release", "6.1.0-57-amd64"), "6.1.0-57-amd64"),
    "another build of the release": (lambda k: setattr(k, "version", "#1 other"), "#1 other"),
    "ftrace is off": (lambda k: setattr(k, "ftrace", "0"), "ftrace_enabled is 0"),
    "already there": (lambda k: k.patches.update({MODULE: patched()}), "already: patched"),
    "in transition itself": (
        lambda k: _transition(k, MODULE, Patch(info=info())),
        f"{MODULE} is patching",
    ),
    "a stranger's patch in transition": (
        lambda k: _transition(k, "kpatch_1", stranger()),
        "kpatch_1 is patching",
    ),
    "a stranger's patch on its way out": (
        lambda k: _transition(k, "kpatch_1", Patch(info=None, enabled=False)),
        "kpatch_1 is unpatching",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refused_before_anything_was_loaded(kernel: FakeKernel, host: FakeHost, case: str) -> None:
    prepare, reason = REFUSALS[case]
    prepare(kernel)
    before = snapshot(host)
    with pytest.raises(ApplyRefused) as caught:
        apply(control(host), bundle(), KO)
    assert reason in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 6
    assert kernel.log == []
    assert snapshot(host) == before


def test_a_strangers_patch_at_rest_is_no_obstacle(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches["kpatch_1"] = stranger()
    assert apply(control(host), bundle(), KO).phase is PatchPhase.PATCHED


def test_another_version_of_the_series_is_reverted_first(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches["lppack_conn_limit_1"] = patched()
    before = snapshot(host)
    with pytest.raises(ApplyRefused) as caught:
        apply(control(host), bundle(), KO)
    assert "lppack revert conn-limit" in str(caught.value.hint)
    assert snapshot(host) == before


@pytest.mark.parametrize(
    ("made", "way"),
    [
        (patched(), "nothing to do; see: lppack status conn-limit --on fake"),
        (patched(convert=False), "go on with: lppack convert conn-limit --on fake"),
        (replace(patched(), srcversion="AA"), f"apply this one: lppack revert {MODULE} --on fake"),
    ],
)
def test_what_is_there_already_names_the_way_on(
    kernel: FakeKernel, host: FakeHost, made: Patch, way: str
) -> None:
    kernel.patches[MODULE] = made
    with pytest.raises(ApplyRefused) as caught:
        apply(control(host), bundle(srcversion="BB"), KO)
    assert str(caught.value.hint).endswith(way)


def test_what_is_on_its_way_out_is_completed_first(kernel: FakeKernel, host: FakeHost) -> None:
    _transition(kernel, MODULE, Patch(info=info(), enabled=False))
    with pytest.raises(ApplyRefused, match="is unpatching") as caught:
        apply(control(host), bundle(), KO)
    assert str(caught.value.hint).endswith("then apply: lppack revert conn-limit --on fake")


def test_the_kernel_refuses_the_module(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.refuses = "disagrees about version of symbol module_layout"
    kernel.dmesg.append("[ 0.5] usb 1-1: a line of no interest")
    kernel.dmesg.append("[ 5.0] livepatch: 'kpatch_1': patching complete")
    kernel.uptime = 60.0
    before = snapshot(host)
    with pytest.raises(ApplyRefused) as caught:
        apply(control(host), bundle(), KO)
    assert kernel.refuses in caught.value.message
    assert kernel.refuses in str(caught.value.hint)
    assert "no interest" not in str(caught.value.hint)
    assert "kpatch_1" not in str(caught.value.hint), "that was long before"
    assert caught.value.exit_code == 6
    assert snapshot(host) == before


def test_insmod_that_was_cut_off_after_loading(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.insmod_says = 124
    assert apply(control(host), bundle(), KO).phase is PatchPhase.PATCHED


# -- timed out


@pytest.mark.parametrize("convert_", [True, False])
def test_a_transition_that_does_not_end_is_reversed(
    kernel: FakeKernel, host: FakeHost, convert_: bool
) -> None:
    kernel.blocked[True] = (SLEEPER, SPINNER)
    before = snapshot(host)
    with pytest.raises(ApplyReversed) as caught:
        apply(control(host), bundle(), KO, convert=convert_)
    assert caught.value.exit_code == 7
    assert snapshot(host) == before
    assert kernel.log == [f"insmod {MODULE}", f"{MODULE} enabled 0", f"rmmod {MODULE}"]
    assert "after 10 s" in caught.value.message
    assert "sleeps in lp_conn_open" in caught.value.message
    assert "fake is as it was before" in caught.value.message


def test_the_report_of_a_reversal_names_the_blockers(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.blocked[True] = (SLEEPER,)
    with pytest.raises(ApplyReversed) as caught:
        apply(control(host), bundle(), KO)
    assert caught.value.report is not None
    (patch,) = caught.value.report["patches"]
    assert (patch["series"], patch["module"], patch["host"]) == ("conn-limit", MODULE, "fake")
    assert patch["blockers"] == [
        {
            "pid": 700,
            "tid": 701,
            "comm": "conn worker",
            "function": "lp_conn_open",
            "reason": "sleeps in lp_conn_open",
            "seconds": TIMEOUT,
        }
    ]


def test_a_transition_that_ends_at_the_last_moment_is_taken_back_too(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.blocked[True] = (SLEEPER,)
    before = snapshot(host)

    def say(line: str) -> None:
        if line.startswith("reversing"):
            kernel.finish()

    with pytest.raises(ApplyReversed):
        apply(control(host, say), bundle(), KO)
    assert snapshot(host) == before


def test_unloading_waits_until_the_kernel_lets_go(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.blocked[True] = (SLEEPER,)
    kernel.rmmod_busy = 5
    before = snapshot(host)
    with pytest.raises(ApplyReversed):
        apply(control(host), bundle(), KO)
    assert snapshot(host) == before


@pytest.mark.parametrize("what", ["unpatch", "unload"])
def test_a_reversal_that_does_not_end_needs_a_person(
    kernel: FakeKernel, host: FakeHost, what: str
) -> None:
    kernel.blocked[True] = (SLEEPER,)
    if what == "unpatch":
        kernel.blocked[False] = (SPINNER,)
    else:
        kernel.rmmod_busy = FOR_EVER
    with pytest.raises(ApplyStuck) as caught:
        apply(control(host), bundle(), KO)
    assert caught.value.exit_code == 8
    assert MODULE in kernel.patches
    assert caught.value.hint == "go on with: lppack revert conn-limit --on fake"
    assert caught.value.report is not None


@pytest.mark.parametrize(("timeout", "seconds"), [(1.0, 60.0), (300.0, 300.0)])
def test_the_way_back_has_as_long_as_the_way_there(
    kernel: FakeKernel, host: FakeHost, timeout: float, seconds: float
) -> None:
    kernel.blocked = {True: (SLEEPER,), False: (SPINNER,)}
    with pytest.raises(ApplyStuck):
        apply(replace(control(host), timeout=timeout), bundle(), KO)
    assert kernel.clock.now() == pytest.approx(timeout + seconds, abs=1.0)


def test_a_module_that_someone_else_unloads(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.blocked[True] = (SLEEPER,)

    def vanish() -> None:
        if kernel.clock.sleeps == 3:
            kernel.moving = None
            kernel.patches.clear()

    kernel.clock.on_sleep = vanish
    with pytest.raises(ApplyReversed, match="is no longer loaded"):
        apply(control(host), bundle(), KO)


# -- Ctrl-C


@pytest.mark.parametrize("at", [1, 3])
def test_an_interrupt_puts_the_target_back(kernel: FakeKernel, host: FakeHost, at: int) -> None:
    kernel.polls = 5
    kernel.clock.interrupts = {at}
    before = snapshot(host)
    with pytest.raises(Interrupted) as caught:
        apply(control(host), bundle(), KO)
    assert caught.value.exit_code == 130
    assert "fake is as it was before" in caught.value.message
    assert snapshot(host) == before


def test_an_interrupt_just_as_the_transition_ends(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.polls = 2
    kernel.clock.interrupts = {2}
    before = snapshot(host)
    with pytest.raises(Interrupted, match="as it was before"):
        apply(control(host), bundle(), KO)
    assert snapshot(host) == before


def test_two_interrupts_leave_a_command_to_go_on(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.polls = 5
    kernel.clock.interrupts = {2, 4}
    with pytest.raises(Interrupted) as caught:
        apply(control(host), bundle(), KO)
    assert caught.value.exit_code == 130
    assert "interrupted twice" in caught.value.message
    assert caught.value.message.endswith("lppack revert conn-limit --on fake")


def test_an_interrupt_that_cannot_be_undone_in_time(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.blocked = {True: (SLEEPER,), False: (SPINNER,)}
    kernel.clock.interrupts = {3}
    with pytest.raises(Interrupted) as caught:
        apply(control(host), bundle(), KO)
    assert f"{MODULE} is unpatching" in caught.value.message
    assert caught.value.message.endswith("lppack revert conn-limit --on fake")


def _interrupt_at(word: str) -> Callable[[str], None]:
    def say(line: str) -> None:
        if line.startswith(word):
            raise KeyboardInterrupt

    return say


def test_an_interrupt_before_the_module_was_loaded(kernel: FakeKernel, host: FakeHost) -> None:
    before = snapshot(host)
    with pytest.raises(Interrupted, match="as it was before"):
        apply(control(host, _interrupt_at("patch: loading")), bundle(), KO)
    assert snapshot(host) == before


def test_an_interrupt_after_conversion_began(kernel: FakeKernel, host: FakeHost) -> None:
    before = snapshot(host)
    with pytest.raises(Interrupted, match="as it was before"):
        apply(control(host, _interrupt_at("converting")), bundle(), KO)
    assert snapshot(host) == before
    assert kernel.log[1:] == [
        f"{MODULE} convert 1",
        f"{MODULE} convert 0",
        f"{MODULE} enabled 0",
        f"rmmod {MODULE}",
    ]


def test_an_interrupt_while_conversions_are_held_does_not_hang_the_kernel(
    kernel: FakeKernel, host: FakeHost
) -> None:
    """To unpatch now would wait in pre_unpatch, with klp_mutex held, as long as they are held."""
    kernel.convert_held = FOR_EVER
    with pytest.raises(LppackError) as caught:
        apply(control(host, _interrupt_at("converting")), bundle(), KO)
    assert caught.value.exit_code in (8, 130)
    assert f"{MODULE} enabled 0" not in kernel.log
    assert "lppack revert conn-limit --on fake" in f"{caught.value.message} {caught.value.hint}"


# -- phase 2


def test_conversion_that_is_refused_leaves_a_patched_kernel(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.convert_error = errno.EINTR
    with pytest.raises(NotConverted) as caught:
        apply(control(host), bundle(), KO)
    assert caught.value.exit_code == 10
    assert caught.value.hint == "try: lppack convert conn-limit --on fake"
    assert control(host).report(MODULE).phase is PatchPhase.PATCHED
    kernel.convert_error = None
    assert convert(control(host), "conn-limit").conversion == "on"


def test_a_long_wait_prints_each_line_once(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.blocked = {True: (SLEEPER,), False: (SLEEPER, OTHER)}
    said: list[str] = []
    with pytest.raises(ApplyStuck):
        apply(replace(control(host, said.append), timeout=60.0), bundle(), KO)
    waits = [line for line in said if line.startswith(("patching: ", "unpatching: "))]
    assert len(waits) == 2
    assert len(set(waits)) == 2


@pytest.mark.parametrize(("undo_timeout", "seconds"), [(None, 60), (3.0, 3)])
def test_the_reversal_has_a_bound_of_its_own(
    kernel: FakeKernel, host: FakeHost, undo_timeout: float | None, seconds: int
) -> None:
    kernel.blocked = {True: (SLEEPER,), False: (SLEEPER,)}
    with pytest.raises(ApplyStuck):
        apply(replace(control(host), undo_timeout=undo_timeout), bundle(), KO)
    assert round(kernel.clock.time - TIMEOUT) == seconds


def test_limits_of_an_engine_that_has_none(kernel: FakeKernel, host: FakeHost) -> None:
    limited = replace(control(host), max_hold=5)
    with pytest.raises(
        ApplyRefused, match="--max-hold: the patch is of engine livepatch"
    ) as caught:
        apply(limited, bundle(), KO)
    assert caught.value.reason == "no-limits"
    assert kernel.log == []
    apply(control(host), bundle(), KO)
    before = list(kernel.log)
    with pytest.raises(ApplyRefused, match="neither stops the machine nor holds threads"):
        revert(limited, "conn-limit")
    assert kernel.log == before
