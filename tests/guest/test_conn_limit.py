# SPDX-License-Identifier: MIT
"""On-access conversion in a guest. The target's own /proc/conn, which knows nothing of the patch,
shows each object's raw word: its highest bit is set in the new form."""

import errno
import time

import pytest

from lppack import abi
from lppack.abi import PatchPhase
from lppack.errors import ApplyRefused, ApplyReversed, HostError
from lppack.hosts.guest import GuestHost
from lppack.stages.apply import Control, apply, settle, stop_conversion
from lppack.stages.convert import convert
from lppack.stages.revert import find, revert, unpatch
from tests.kit.accessors import asleep_inside_accessors
from tests.kit.rounds import run_rounds
from tests.kit.target import NEW, Target

pytestmark = [pytest.mark.guest, pytest.mark.debug_kernel]


def test_the_target_lists_the_form_of_each_object_at_each_step(
    control: Control, target: Target
) -> None:
    target.tell("syn web", "syn web")
    before = target.words()
    assert before == {"web": 2, "mail": 0}

    apply(control, target.bundle, target.ko, convert=False)
    target.tell("syn web", "open born-patched")
    assert target.words() == {"web": 3, "mail": 0, "born-patched": 0}

    convert(control, "conn-limit")
    assert set(target.forms().values()) == {"old"}, "enabling converts nothing by itself"
    target.tell("syn web", "open born-converted")
    assert target.forms() == {
        "web": "new",
        "mail": "old",
        "born-patched": "old",
        "born-converted": "old",
    }
    assert target.parameter("converted") == "1"
    target.tell("syn mail", "syn born-converted")
    assert target.forms()["born-converted"] == "new", "born new is tracked like any other"
    assert target.words()["web"] == NEW | 8 << 16 | 4
    assert target.words()["mail"] == NEW | 8 << 16 | 1
    assert target.parameter("converted") == "3"

    target.tell("close born-converted")
    assert target.parameter("converted") == "2", "a freed object is forgotten"

    unpatch(control, find(control, "conn-limit"))
    assert target.words() == {"web": 4, "mail": 1, "born-patched": 0}


def test_convert_is_busy_until_the_transition_is_complete(control: Control, target: Target) -> None:
    target.background("wait web")  # sleeps in conn_wait(), a function of the patched set
    end = time.monotonic() + 10
    while "conn_wait" not in target.sh("cat /proc/[0-9]*/stack 2> /dev/null | grep conn_wait"):
        assert time.monotonic() < end
    control.engine.load(target.bundle.module, target.ko)
    state, _ = settle(control, target.bundle.module, PatchPhase.PATCHED, 3.0)
    assert state.phase is PatchPhase.PATCHING
    assert [blocker.function for blocker in state.blockers] == ["conn_wait"]
    with pytest.raises(HostError) as caught:
        control.engine.convert(target.bundle.module, on=True)
    assert caught.value.errno == errno.EBUSY
    with pytest.raises(ApplyRefused):
        convert(control, "conn-limit")
    target.tell("wake web")
    state, _ = settle(control, target.bundle.module, PatchPhase.PATCHED, 30.0)
    assert state.phase is PatchPhase.PATCHED
    control.engine.convert(target.bundle.module, on=True)  # the control: now it is taken


def test_apply_that_times_out_is_reversed_and_says_who_blocked(
    control: Control, target: Target
) -> None:
    target.background("wait web")
    hasty = Control(engine=control.engine, host=control.host, timeout=2.0)
    with pytest.raises(ApplyReversed) as caught:
        apply(hasty, target.bundle, target.ko)
    assert "sleeps in conn_wait" in caught.value.message
    assert control.engine.state(target.bundle.module).phase is PatchPhase.ABSENT
    target.tell("wake web")


@pytest.mark.parametrize("point", ["conn-sampled", "conn-untracked"])
def test_threads_asleep_inside_accessors_end_in_the_right_form(
    control: Control, target: Target, point: str
) -> None:
    asleep_inside_accessors(control, target, point)


def test_four_threads_asleep_in_new_functions_hold_the_unpatching_open(
    control: Control, target: Target
) -> None:
    """Their frames are seen by the kernel's stack check; the data is reversed all the same."""
    apply(control, target.bundle, target.ko)
    target.background("wait web", "wait web", "wait mail", "wait mail")
    end = time.monotonic() + 10
    while target.sh("cat /proc/[0-9]*/stack 2> /dev/null | grep -c lp_conn_wait") != "4":
        assert time.monotonic() < end
    assert set(target.forms().values()) == {"new"}
    hasty = Control(engine=control.engine, host=control.host, timeout=3.0)
    with pytest.raises(ApplyReversed) as caught:
        unpatch(hasty, find(hasty, "conn-limit"))
    assert "lp_conn_wait" in caught.value.message
    assert control.engine.state(target.bundle.module).phase is PatchPhase.PATCHED
    assert target.parameter("convert") == "1", "patched as before: converting again"
    target.tell("wake web", "wake mail")
    revert(control, "conn-limit")
    assert set(target.forms().values()) == {"old"}


def test_an_object_that_is_freed_while_it_is_reversed_is_waited_for(
    control: Control, target: Target
) -> None:
    apply(control, target.bundle, target.ko)
    target.tell("open doomed", "syn doomed", "syn web")
    target.hold("conn-reversing")
    target.reverse()
    target.wait_until_held(1)
    target.background("close doomed", "close web")
    time.sleep(0.5)
    waiting = target.sh("cat /proc/[0-9]*/stack 2> /dev/null | grep -c lp_forget")
    assert waiting == "1", "the one that is being reversed is waited for, the other is not"
    target.hold("")
    end = time.monotonic() + 20
    while target.sh("cat /proc/[0-9]*/stack 2> /dev/null | grep -c -e lp_forget") != "0":
        assert time.monotonic() < end
    assert target.parameter("converted") == "0"
    assert set(target.forms().values()) == {"old"}
    if "web" not in target.words():
        target.tell("open web")


def test_who_uses_an_object_while_it_is_reversed_finds_it_old(
    control: Control, target: Target
) -> None:
    apply(control, target.bundle, target.ko)
    target.tell("syn web", "syn mail")
    target.hold("conn-reversing")
    target.reverse()
    target.wait_until_held(1)
    target.background("syn web", "syn mail")
    target.until(lambda: NEW | 8 << 16 | 2 in target.words().values())
    assert target.sleepers("lp_conn_syn") == 1, "one waits for the lock, the other went on"
    assert sorted(target.words().values()) == [NEW | 8 << 16 | 1, NEW | 8 << 16 | 2]
    target.hold("")
    target.until(lambda: target.words() == {"web": 2, "mail": 2})
    assert target.parameter("converted") == "0"


def test_a_target_whose_data_is_reversed_cannot_go(
    control: Control, target: Target, guest: GuestHost
) -> None:
    """Its module is held meanwhile; before and after, it goes, and what is tracked with it."""
    apply(control, target.bundle, target.ko)
    target.tell("syn web", "syn mail")
    target.hold("conn-reversing")
    target.reverse()
    target.wait_until_held(1)
    busy = guest.run(["rmmod", "conn"], limit=20.0)
    assert busy.rc != 0 and "temporarily unavailable" in busy.err
    target.hold("")
    target.until(lambda: set(target.forms().values()) == {"old"})
    target.until(lambda: guest.run(["rmmod", "conn"], limit=20.0).rc == 0)
    assert control.engine.state(target.bundle.module).phase is PatchPhase.PATCHED
    target.insmod()
    control.engine.convert(target.bundle.module, on=True)
    target.tell("syn web")
    assert guest.run(["rmmod", "conn"], limit=20.0).rc == 0
    assert target.parameter("converted") == "0"
    target.insmod()
    target.tell("syn web")
    assert target.forms() == {"web": "new", "mail": "old"}, "the new one is converted anew"


@pytest.mark.parametrize("second_line", [False, True], ids=["stopped", "disabled"])
def test_what_is_tracked_in_a_target_that_goes_is_dropped(
    control: Control, target: Target, guest: GuestHost, second_line: bool
) -> None:
    """The exit function of the target runs, and waits: it may have freed anything."""
    apply(control, target.bundle, target.ko)
    target.tell("syn web", "syn mail")
    waiter = target.sh("sh -c 'echo \"wait web\" > /proc/conn' > /dev/null 2>&1 & echo $!")
    target.until(lambda: target.sleepers("lp_conn_wait") == 1)
    target.sh("rmmod conn > /dev/null 2>&1 & ")
    target.until(lambda: target.sleepers("proc_entry_rundown") == 1)
    assert guest.read("/sys/module/conn/initstate") == "going\n"
    with pytest.raises(HostError) as caught:
        control.engine.convert(target.bundle.module, on=False)
    assert caught.value.errno == errno.EAGAIN, "it is not reversed any more"
    assert target.parameter("converted") == "2"
    if second_line:
        target.host.write(abi.patch_attribute(target.bundle.module, "enabled"), "0")
        assert target.parameter("converted") == "0", "dropped: old code frees it, or the module"
    target.sh(f"kill {waiter}")
    target.until(lambda: target.sh("[ -e /sys/module/conn ] || echo gone") == "gone")
    assert target.parameter("converted") == "0"
    assert stop_conversion(control, target.bundle.module, 20.0)
    revert(control, "conn-limit")
    target.insmod()
    assert target.words() == {"web": 0, "mail": 0}


@pytest.mark.shows("C24")
def test_a_strangers_disable_is_the_second_line(control: Control, target: Target) -> None:
    """`echo 0 > enabled` cannot be vetoed: the glue reverses before the kernel unpatches."""
    apply(control, target.bundle, target.ko)
    target.tell("syn web", "syn mail")
    assert set(target.forms().values()) == {"new"}
    target.host.write(abi.patch_attribute(target.bundle.module, "enabled"), "0")
    assert set(target.forms().values()) == {"old"}
    with pytest.raises(HostError) as caught:
        control.engine.convert(target.bundle.module, on=True)
    assert caught.value.errno == errno.EBUSY
    state, _ = settle(control, target.bundle.module, PatchPhase.UNPATCHED, 30.0)
    assert state.phase is PatchPhase.UNPATCHED


def test_rounds_under_load(control: Control, target: Target) -> None:
    """Every round of the soak, a few of them here."""
    assert run_rounds(control, target, 3) > 0
