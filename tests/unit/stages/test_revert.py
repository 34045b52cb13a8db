# SPDX-License-Identifier: MIT
import errno
from collections.abc import Callable
from dataclasses import replace

import pytest

from lppack.abi import PatchPhase
from lppack.cli.patches import patch_lines
from lppack.engines.kernel import KernelEngines
from lppack.engines.livepatch import Livepatch
from lppack.errors import ApplyRefused, ApplyReversed, ApplyStuck, HostError, Interrupted, StillNew
from lppack.stages.apply import Control
from lppack.stages.revert import find, revert
from lppack.stages.status import status
from tests.kit.control import MODULE, control, patched, snapshot, stranger
from tests.kit.fake_kernel import FOR_EVER, FakeHost, FakeKernel, Patch, Thread, info

SLEEPER = Thread(700, 701, "conn worker", stack=("schedule", "lp_conn_open"))
GO_ON = "lppack revert conn-limit --on fake"


def test_back_is_stop_converting_then_unpatch_then_unload(
    kernel: FakeKernel, host: FakeHost
) -> None:
    before = snapshot(host)
    kernel.patches[MODULE] = patched()
    said: list[str] = []
    report = revert(control(host, said.append), "conn-limit")
    assert kernel.log == [f"{MODULE} convert 0", f"{MODULE} enabled 0", f"rmmod {MODULE}"]
    assert snapshot(host) == before
    assert report.phase is PatchPhase.ABSENT
    assert [line.partition(":")[0] for line in said] == ["reversed", "reverted", "unloaded"]


def test_the_report_names_what_was_reverted(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    report = revert(control(host), "conn-limit")
    assert (report.series, report.version, report.module) == ("conn-limit", 2, MODULE)
    assert [fix["live"] for fix in report.fixes] == [False, False]


def test_of_what_is_gone_only_that_is_printed(kernel: FakeKernel, host: FakeHost) -> None:
    """And which fixes are not live any more; no mode, no inlining, no proof."""
    kernel.patches[MODULE] = patched()
    first, *rest = patch_lines(revert(control(host), "conn-limit"))
    assert first == "conn-limit 2 on fake: absent"
    assert rest and all(line.endswith(": not live") for line in rest)


def test_a_patch_without_data_has_nothing_to_stop(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched(converts=False)
    revert(control(host), "conn-limit")
    assert kernel.log == [f"{MODULE} enabled 0", f"rmmod {MODULE}"]


def test_a_modules_name_will_do(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    assert revert(control(host), MODULE).phase is PatchPhase.ABSENT


def test_what_reverse_has_not_reversed_stays_patched(kernel: FakeKernel, host: FakeHost) -> None:
    """Old code would read it as the old form."""
    kernel.patches[MODULE] = patched()
    kernel.patches[MODULE].still_new = "0 lp_a_downgrade\n2 lp_b_downgrade"
    said: list[str] = []
    with pytest.raises(StillNew) as caught:
        revert(control(host, said.append), "conn-limit")
    assert caught.value.exit_code == 9
    first, _, rest = caught.value.message.partition("\n")
    assert first == "2 objects are still in the new form after lp_b_downgrade()"
    assert "stays patched" in rest
    assert kernel.log == [f"{MODULE} convert 0"]
    assert said == []
    report = caught.value.report
    assert report is not None
    [shown] = report["patches"]
    assert (shown["phase"], shown["conversion"], shown["still_new"]) == ("patched", "off", first)
    assert shown["next"].startswith("leave it as it is, and plan a reboot")
    [lines] = map(patch_lines, status(Livepatch(host), "fake"))
    assert f"  {first}: the patch stays, because old code would misread that data" in lines


def test_nothing_is_claimed_of_a_module_that_does_not_ask_its_marker(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches[MODULE] = patched()
    kernel.patches[MODULE].still_new = None
    said: list[str] = []
    revert(control(host, said.append), "conn-limit")
    assert said[0] == (
        "reversed: each converted object; whether none is in the new form is not known"
    )


# -- whom


def test_the_newest_version_is_taken_back(kernel: FakeKernel, host: FakeHost) -> None:
    for version in (9, 10, 2):
        made = patched()
        made.info = info(version=version)
        kernel.patches[f"lppack_conn_limit_{version}"] = made
    revert(control(host), "conn-limit")
    assert sorted(kernel.patches) == ["lppack_conn_limit_2", "lppack_conn_limit_9"]


def test_another_series_is_left_alone(kernel: FakeKernel, host: FakeHost) -> None:
    other = patched()
    other.info = info(series="other")
    kernel.patches |= {MODULE: patched(), "lppack_other_2": other}
    revert(control(host), "conn-limit")
    assert sorted(kernel.patches) == ["lppack_other_2"]


def test_a_strangers_patch_is_refused(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches["kpatch_1"] = stranger()
    before = snapshot(host)
    with pytest.raises(ApplyRefused, match="was not made by lppack") as caught:
        revert(control(host), "kpatch_1")
    assert caught.value.exit_code == 6
    assert kernel.log == []
    assert snapshot(host) == before


def test_what_is_not_there_is_refused_with_a_suggestion(kernel: FakeKernel, host: FakeHost) -> None:
    with pytest.raises(ApplyRefused) as caught:
        revert(control(host), "conn-limit")
    assert caught.value.hint == "there is: none at all"
    kernel.patches |= {MODULE: patched(), "kpatch_1": stranger()}
    with pytest.raises(ApplyRefused) as caught:
        revert(control(host), "con-limit")
    assert caught.value.hint == 'did you mean "conn-limit"?'
    with pytest.raises(ApplyRefused) as caught:
        revert(control(host), "zzz")
    assert caught.value.hint == "there is: conn-limit, kpatch_1"
    assert kernel.log == []


# -- conversions under way


def test_conversions_under_way_are_waited_for(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    kernel.convert_held = 4
    assert revert(control(host), "conn-limit").phase is PatchPhase.ABSENT
    assert kernel.log.count(f"{MODULE} convert 0") == 5
    assert kernel.log.index(f"{MODULE} enabled 0") == 5


def test_conversions_that_never_end_keep_the_patch(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    kernel.convert_held = FOR_EVER
    with pytest.raises(ApplyStuck) as caught:
        revert(control(host), "conn-limit")
    assert caught.value.exit_code == 8
    assert caught.value.hint == f"go on with: {GO_ON}"
    assert set(kernel.log) == {f"{MODULE} convert 0"}
    report = control(host).report(MODULE)
    assert (report.phase, report.conversion) == (PatchPhase.PATCHED, "off")


# -- an unpatch transition that does not end


@pytest.mark.parametrize("convert", [True, False])
def test_an_unpatch_that_is_blocked_is_turned_back(
    kernel: FakeKernel, host: FakeHost, convert: bool
) -> None:
    kernel.patches[MODULE] = patched(convert=convert)
    kernel.blocked[False] = (SLEEPER,)
    before = snapshot(host)
    with pytest.raises(ApplyReversed) as caught:
        revert(control(host), "conn-limit")
    assert caught.value.exit_code == 7
    assert "sleeps in lp_conn_open" in caught.value.message
    assert "patched as before" in caught.value.message
    assert GO_ON in str(caught.value.hint)
    assert snapshot(host) == before
    assert (f"{MODULE} convert 1" in kernel.log) is convert


def test_turning_back_may_be_blocked_too(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    kernel.blocked = {False: (SLEEPER,), True: (SLEEPER,)}
    with pytest.raises(ApplyStuck) as caught:
        revert(control(host), "conn-limit")
    assert caught.value.exit_code == 8
    assert "it is patching" in caught.value.message
    assert GO_ON in str(caught.value.hint)


def test_an_unpatch_that_ends_at_the_last_moment_counts(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    kernel.blocked[False] = (SLEEPER,)

    def say(line: str) -> None:
        if line.startswith("turning back"):
            kernel.finish()

    assert revert(control(host, say), "conn-limit").phase is PatchPhase.ABSENT
    assert kernel.patches == {}


# -- only what this command began from `patched` is sent back there


def _unpatching(kernel: FakeKernel) -> None:
    kernel.patches[MODULE] = Patch(info=info(), enabled=False)
    kernel.moving = MODULE


def _patching(kernel: FakeKernel) -> None:
    kernel.patches[MODULE] = Patch(info=info())
    kernel.moving = MODULE


@pytest.mark.parametrize("begin", [_unpatching, _patching])
def test_what_was_not_patched_is_never_patched_by_a_revert(
    kernel: FakeKernel, host: FakeHost, begin: Callable[[FakeKernel], None]
) -> None:
    begin(kernel)
    kernel.blocked[False] = (SLEEPER,)
    found = control(host).report(MODULE).phase
    with pytest.raises(ApplyStuck) as caught:
        revert(control(host), "conn-limit")
    assert f"it was {found} before this command and is unpatching now" in caught.value.message
    assert "sleeps in lp_conn_open" in caught.value.message
    assert GO_ON in str(caught.value.hint)
    assert f"{MODULE} enabled 1" not in kernel.log
    kernel.blocked = {}
    assert revert(control(host), "conn-limit").phase is PatchPhase.ABSENT


def test_a_second_revert_does_not_reverse_the_first(kernel: FakeKernel, host: FakeHost) -> None:
    """The other command writes 0 to `enabled` between this one's look and its write."""
    kernel.patches[MODULE] = patched()
    real = host.write

    def write(path: str, text: str) -> None:
        if path.endswith("/enabled") and kernel.moving is None:
            real(path, "0")
        real(path, text)

    host.write = write  # type: ignore[method-assign]
    assert revert(control(host), "conn-limit").phase is PatchPhase.ABSENT
    assert f"{MODULE} enabled 1" not in kernel.log


def _by_engine(*, enabled: bool) -> Patch:
    return Patch(
        info=info(engine="consistency", mode="kgraft"),
        enabled=enabled,
        complete=enabled,
        convert=enabled,
        converted=3 * enabled,
    )


def _both(host: FakeHost) -> Control:
    return replace(control(host), engine=KernelEngines(host))


def test_what_the_engine_gives_up_converts_again(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = _by_engine(enabled=True)
    kernel.gives_up = "the deadline of 6000 ms"
    with pytest.raises(ApplyReversed, match="patched as before"):
        revert(_both(host), "conn-limit")
    assert _both(host).report(MODULE).conversion == "on"


def test_what_the_engine_gives_up_of_another_command_is_not_as_before(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches[MODULE] = _by_engine(enabled=False)
    kernel.moving, kernel.gives_up = MODULE, "the deadline of 6000 ms"
    with pytest.raises(ApplyStuck, match="is patched now; it is not sent back") as caught:
        revert(_both(host), "conn-limit")
    assert GO_ON in str(caught.value.hint)


# -- the module


def test_unloading_waits_until_the_kernel_lets_go(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    kernel.rmmod_busy = 6
    assert revert(control(host), "conn-limit").phase is PatchPhase.ABSENT
    assert kernel.log.count(f"rmmod {MODULE}") == 7


def test_a_module_that_the_kernel_keeps(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    kernel.rmmod_busy = FOR_EVER
    with pytest.raises(ApplyStuck, match="does not let the module go") as caught:
        revert(control(host), "conn-limit")
    assert GO_ON in str(caught.value.hint)
    assert control(host).report(MODULE).phase is PatchPhase.UNPATCHED


def test_a_module_stays_while_a_thread_is_in_it(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    kernel.inside = (Thread(7, 8, "worker", stack=("lp_conn_open",)),)
    with pytest.raises(ApplyStuck, match="stays loaded while threads are in it: worker") as caught:
        revert(control(host), "conn-limit")
    assert 4 < kernel.looks < 10, "each stops the machine: they become rare in 15 s"
    kernel.inside = (Thread(7, 8, "worker"),)
    with pytest.raises(ApplyStuck):
        revert(control(host), "conn-limit")
    assert kernel.looks > 50, "a stack that cannot be read can be in a moment"
    kernel.inside = (Thread(7, 8, "worker", stack=("lp_conn_open",)),)
    assert GO_ON in str(caught.value.hint)
    assert f"rmmod {MODULE}" not in kernel.log
    assert control(host).report(MODULE).blockers[0].reason == "is in lp_conn_open"
    kernel.inside = ()
    assert revert(control(host), "conn-limit").phase is PatchPhase.ABSENT


# -- going on where someone left off


def _unpatched(kernel: FakeKernel) -> None:
    kernel.patches[MODULE] = Patch(info=info(), enabled=False, known=False)


@pytest.mark.parametrize("begin", [_unpatching, _patching, _unpatched])
def test_it_goes_on_from_any_state(
    kernel: FakeKernel, host: FakeHost, begin: Callable[[FakeKernel], None]
) -> None:
    before = snapshot(host)
    begin(kernel)
    assert revert(control(host), "conn-limit").phase is PatchPhase.ABSENT
    assert snapshot(host) == before


def test_after_conversions_that_were_held_it_goes_on(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    kernel.convert_held = FOR_EVER
    with pytest.raises(ApplyStuck):
        revert(control(host), "conn-limit")
    kernel.convert_held = 0
    assert revert(control(host), "conn-limit").phase is PatchPhase.ABSENT


@pytest.mark.parametrize(("held", "phase"), [(0, "unpatching"), (FOR_EVER, "patched")])
def test_an_interrupt_tells_the_state_and_the_command(
    kernel: FakeKernel, host: FakeHost, held: int, phase: str
) -> None:
    kernel.patches[MODULE] = patched()
    kernel.polls = 5
    kernel.convert_held = held
    kernel.clock.interrupts = {2}
    with pytest.raises(Interrupted) as caught:
        revert(control(host), "conn-limit")
    assert caught.value.exit_code == 130
    assert caught.value.message == f"interrupted: {MODULE} is {phase}; go on with: {GO_ON}"
    kernel.convert_held = 0
    assert revert(control(host), "conn-limit").phase is PatchPhase.ABSENT


def test_find_gives_the_state(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    state = find(control(host), "conn-limit")
    assert (state.module, state.phase, state.convert) == (MODULE, PatchPhase.PATCHED, True)


def test_a_host_that_fails_in_the_middle_names_the_way_on(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches[MODULE] = patched()
    failed: list[str] = []
    real = host.read

    def read(path: str) -> str:
        if kernel.moving is not None and path.endswith("transition") and not failed:
            failed.append(path)
            raise HostError(path, errno.EBUSY)
        return real(path)

    host.read = read  # type: ignore[method-assign]
    with pytest.raises(ApplyStuck, match="Device or resource busy") as caught:
        revert(control(host), "conn-limit")
    assert caught.value.hint == f"go on with: {GO_ON}"
    assert caught.value.report is not None
    assert revert(control(host), "conn-limit").phase is PatchPhase.ABSENT
