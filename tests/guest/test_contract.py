# SPDX-License-Identifier: MIT
"""What every engine holds to, in each of its modes: the same stories, on the same target."""

import errno
from collections.abc import Iterator

import pytest

from lppack.abi import PatchPhase
from lppack.errors import ApplyRefused, ApplyReversed, HostError
from lppack.hosts.guest import GuestHost
from lppack.stages.apply import Control, apply, settle
from lppack.stages.convert import convert
from lppack.stages.revert import find, revert, unpatch
from lppack.stages.test import load_targets
from tests.kit.engines import Make, asleep_in, controlled, make
from tests.kit.target import NEW, Target

__all__ = ["make"]  # fixtures

pytestmark = pytest.mark.guest

CASES = (
    "livepatch hybrid",
    "consistency hybrid",
    "consistency kpatch",
    "consistency refcount",
    "consistency kgraft",
    "consistency checkpoint",
)


@pytest.fixture(scope="module", params=CASES)
def subject(request: pytest.FixtureRequest, guest: GuestHost, make: Make) -> Iterator[Target]:
    engine, mode = str(request.param).split()
    bundle, files = make("conn-limit", engine, mode)
    load_targets(guest, bundle, files)
    yield Target(guest, bundle, files)
    assert guest.run(["rmmod", "conn"], limit=20.0).rc == 0


@pytest.fixture
def control(guest: GuestHost, subject: Target) -> Iterator[Control]:
    yield from controlled(guest, subject.bundle.engine)


@pytest.fixture
def target(subject: Target) -> Iterator[Target]:
    subject.sh("echo 'reset web' > /proc/conn; echo 'reset mail' > /proc/conn")
    yield subject
    subject.tell("wake web", "wake mail")


@pytest.mark.shows("C5", "C25", "C26")
def test_there_and_back(control: Control, target: Target) -> None:
    target.tell("syn web", "syn web")
    apply(control, target.bundle, target.ko, convert=False)
    assert target.words() == {"web": 2, "mail": 0}
    (report,) = pipeline_status(control)
    assert (report["engine"], report["mode"]) == (target.bundle.engine, target.bundle.mode)
    convert(control, "conn-limit")
    target.tell("syn web")
    assert target.words()["web"] == NEW | 8 << 16 | 3
    assert control.engine.state(target.bundle.module).converted == 1
    revert(control, "conn-limit")
    assert target.words() == {"web": 3, "mail": 0}


def pipeline_status(control: Control) -> list[dict[str, object]]:
    from lppack.stages.status import status

    return [report.to_json() for report in status(control.engine, control.host.name)]


def blocking(control: Control, target: Target) -> list[str | None]:
    state = control.engine.state(target.bundle.module)
    return [blocker.function for blocker in state.blockers]


@pytest.mark.shows("C20")
def test_convert_is_busy_while_a_thread_is_in_the_patched_set(
    control: Control, target: Target
) -> None:
    target.background("wait web")
    asleep_in(target, "conn_wait")
    control.engine.load(target.bundle.module, target.ko)
    state, _ = settle(control, target.bundle.module, PatchPhase.PATCHED, 3.0)
    assert state.phase is PatchPhase.PATCHING
    # Others are on their way out, where they must leave the kernel.
    target.until(lambda: blocking(control, target) == ["conn_wait"])
    with pytest.raises(HostError) as caught:
        control.engine.convert(target.bundle.module, on=True)
    assert caught.value.errno == errno.EBUSY
    target.tell("wake web")
    state, _ = settle(control, target.bundle.module, PatchPhase.PATCHED, 30.0)
    assert state.phase is PatchPhase.PATCHED
    control.engine.convert(target.bundle.module, on=True)  # the control: now it is taken


@pytest.mark.shows("C27")
def test_what_times_out_is_reversed_and_says_who_blocked(control: Control, target: Target) -> None:
    target.background("wait web")
    asleep_in(target, "conn_wait")
    hasty = Control(engine=control.engine, host=control.host, timeout=2.0)
    with pytest.raises(ApplyReversed) as caught:
        apply(hasty, target.bundle, target.ko)
    assert "in conn_wait" in caught.value.message
    assert control.engine.state(target.bundle.module).phase is PatchPhase.ABSENT
    target.tell("wake web")


def test_threads_asleep_in_new_functions_hold_the_unpatching_open(
    control: Control, target: Target
) -> None:
    apply(control, target.bundle, target.ko)
    target.background("wait web", "wait mail")
    asleep_in(target, "lp_conn_wait", 2)
    assert set(target.forms().values()) == {"new"}
    hasty = Control(engine=control.engine, host=control.host, timeout=3.0)
    with pytest.raises(ApplyReversed) as caught:
        unpatch(hasty, find(hasty, "conn-limit"))
    assert "lp_conn_wait" in caught.value.message
    assert control.engine.state(target.bundle.module).phase is PatchPhase.PATCHED
    assert target.parameter("convert") == "1", "patched as before: converting again"
    assert target.host.run(["rmmod", target.bundle.module], limit=20.0).rc != 0
    target.tell("wake web", "wake mail")
    revert(control, "conn-limit")
    assert set(target.forms().values()) == {"old"}


@pytest.mark.shows("C11")
def test_a_second_transition_is_refused(control: Control, target: Target, make: Make) -> None:
    other, files = make("proc-cmdline", target.bundle.engine, target.bundle.mode)
    target.background("wait web")
    asleep_in(target, "conn_wait")
    control.engine.load(target.bundle.module, target.ko)
    with pytest.raises(ApplyRefused, match="refused lppack_proc_cmdline_1"):
        control.engine.load(other.module, files / f"{other.module}.ko")
    assert control.engine.state(other.module).phase is PatchPhase.ABSENT
    assert control.engine.state(target.bundle.module).phase is PatchPhase.PATCHING
    target.tell("wake web")
    state, _ = settle(control, target.bundle.module, PatchPhase.PATCHED, 30.0)
    assert state.phase is PatchPhase.PATCHED


def test_targets_that_go_and_come(control: Control, target: Target) -> None:
    apply(control, target.bundle, target.ko)
    target.tell("syn web")
    assert target.forms()["web"] == "new"
    for _ in range(2):
        assert target.host.run(["rmmod", "conn"], limit=20.0).rc == 0
        state = control.engine.state(target.bundle.module)
        assert ("conn", "conn_syn") in state.waiting
        assert state.converted == 0
        assert target.host.run(["insmod", "/test/conn.ko"], limit=20.0).rc == 0
        assert control.engine.state(target.bundle.module).waiting == frozenset()
        target.tell("syn web")
        assert target.forms()["web"] == "new"
    revert(control, "conn-limit")
    assert set(target.forms().values()) == {"old"}
