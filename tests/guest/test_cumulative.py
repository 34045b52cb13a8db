# SPDX-License-Identifier: MIT
"""Version 2 of conn-limit takes the place of version 1, at each point of its two phases. The
target's own /proc/conn shows the raw words: bit 31 is version 1's form, with bit 30 version 2's."""

import errno
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lppack import abi
from lppack.abi import PatchPhase
from lppack.errors import ApplyRefused, ApplyReversed, HostError
from lppack.hosts.guest import GuestHost
from lppack.model import Bundle, Kernel
from lppack.stages.apply import Control, apply, settle
from lppack.stages.convert import convert
from lppack.stages.revert import revert
from lppack.stages.status import status
from tests.guest.story import make
from tests.kit.command import EXAMPLES
from tests.kit.one_way import one_way
from tests.kit.target import Target

pytestmark = [pytest.mark.guest, pytest.mark.debug_kernel]

ORIGINAL, LIMITED, COUNTED = "original", "limited", "counted"


class Second(Target):
    """The same target, seen by who applies version 2."""

    def levels(self) -> dict[str, str]:
        kinds = {0: ORIGINAL, 2: LIMITED, 3: COUNTED}
        return {name: kinds[word >> 30] for name, word in self.words().items()}


@pytest.fixture(scope="module")
def second(
    loaded: Target, guest: GuestHost, built: Callable[[str, bool], tuple[Bundle, Path]]
) -> Second:
    return Second(guest, *built("conn-limit-2", True))


@pytest.fixture
def nothing_is_left(target: Target) -> Iterator[None]:
    """Every module that was loaded is gone, and so is what it kept."""
    before = target.sh("cat /proc/modules | wc -l")
    yield
    assert target.sh("cat /proc/modules | wc -l") == before


def _wait_for_sleeper(target: Target, function: str) -> None:
    end = time.monotonic() + 10
    while function not in target.sh(f"cat /proc/[0-9]*/stack 2> /dev/null | grep {function}"):
        assert time.monotonic() < end


@pytest.fixture(scope="module")
def irreversible(
    loaded: Target,
    guest: GuestHost,
    built: Callable[[str, bool], tuple[Bundle, Path]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Target:
    """Version 1 without a way back."""
    return Target(guest, *built(str(one_way(tmp_path_factory.mktemp("p"))), True))


@pytest.mark.usefixtures("nothing_is_left")
def test_what_is_irreversible_stays_until_a_version_has_a_way_back(
    control: Control, target: Target, irreversible: Target, second: Second
) -> None:
    apply(control, irreversible.bundle, irreversible.ko)
    revert(control, "conn-limit")  # nothing was converted yet
    apply(control, irreversible.bundle, irreversible.ko)
    irreversible.tell("syn web", "syn mail")
    words = irreversible.words()
    assert set(irreversible.forms().values()) == {"new"}
    with pytest.raises(HostError) as vetoed:
        control.engine.convert(irreversible.bundle.module, on=False)
    assert vetoed.value.errno == errno.EPERM
    with pytest.raises(ApplyRefused, match="2 objects that it has converted") as caught:
        revert(control, "conn-limit")
    assert caught.value.reason == "irreversible"
    assert irreversible.words() == words
    assert irreversible.parameter("convert") == "1", "it goes on converting"
    assert "web limit 8 refused 0" in target.host.read("/proc/conn_limit")
    apply(control, second.bundle, second.ko, convert=False)
    assert second.parameter("converted") == "2", "what version 1 tracked was handed on"
    revert(control, "conn-limit")
    assert second.words() == {"web": 1, "mail": 1}


@pytest.mark.usefixtures("nothing_is_left")
def test_what_is_irreversible_and_disabled_by_hand_is_told_and_turned_back(
    control: Control, target: Target, irreversible: Target
) -> None:
    module = irreversible.bundle.module
    apply(control, irreversible.bundle, irreversible.ko)
    irreversible.background("wait web")
    _wait_for_sleeper(target, "lp_conn_wait")
    irreversible.tell("syn mail")
    words = irreversible.words()
    target.host.write(abi.patch_attribute(module, "enabled"), "0")
    (shown,) = status(control.engine, control.host.name)
    assert shown.phase is PatchPhase.UNPATCHING
    assert "turn back: echo 1" in str(shown.next_step)
    assert "2 objects stay in the new form" in target.sh("dmesg | tail -n 20")
    assert irreversible.words() == words, "there is no way back to go"
    target.host.write(abi.patch_attribute(module, "enabled"), "1")
    state, _ = settle(control, module, PatchPhase.PATCHED, 30.0)
    assert (state.phase, state.converted) == (PatchPhase.PATCHED, 2)
    target.tell("wake web")
    with pytest.raises(ApplyRefused):
        revert(control, "conn-limit")
    target.until(lambda: target.sleepers("lp_conn_wait") == 0)
    target.tell("close web", "close mail", "open web", "open mail")
    assert irreversible.parameter("converted") == "0"
    revert(control, "conn-limit")  # all that it had converted is gone
    assert target.words() == {"web": 0, "mail": 0}


@pytest.mark.usefixtures("nothing_is_left")
def test_replaced_while_nothing_is_converted(
    control: Control, target: Target, second: Second
) -> None:
    apply(control, target.bundle, target.ko, convert=False)
    target.tell("syn web")
    apply(control, second.bundle, second.ko)
    assert control.engine.state(target.bundle.module).phase is PatchPhase.ABSENT
    assert second.levels()["web"] == ORIGINAL
    second.tell("syn web")
    assert second.levels() == {"web": COUNTED, "mail": ORIGINAL}
    assert second.parameter("converted") == "1"
    revert(control, "conn-limit")
    assert second.words() == {"web": 2, "mail": 0}


@pytest.mark.usefixtures("nothing_is_left")
def test_replaced_while_converted(control: Control, target: Target, second: Second) -> None:
    apply(control, target.bundle, target.ko)
    target.tell("open late", "syn web", "syn mail")
    target.sh("for i in 1 2 3 4 5 6 7 8 9; do echo 'syn web' > /proc/conn; done 2> /dev/null")
    words = target.words()
    assert second.levels() == {"web": LIMITED, "mail": LIMITED, "late": ORIGINAL}

    apply(control, second.bundle, second.ko, convert=False)
    assert second.words() == words, "phase 1 changes no data"
    assert second.parameter("converted") == "2", "what version 1 tracked was handed on"
    assert "web limit 8 refused 2" in second.host.read("/proc/conn_limit"), "its data is read"
    second.sh("echo 'syn web' > /proc/conn")
    assert "web limit 8 refused 3" in second.host.read("/proc/conn_limit"), "and written"
    second.tell("syn late")
    assert second.levels()["late"] == ORIGINAL, "and nothing new is made"

    control.engine.convert(second.bundle.module, on=True)
    second.tell("syn mail")
    assert second.levels() == {"web": LIMITED, "mail": COUNTED, "late": ORIGINAL}
    assert second.parameter("converted") == "2"
    second.tell("close mail")
    assert second.parameter("converted") == "1", "a freed one is forgotten, whoever tracked it"
    second.tell("open mail")
    revert(control, "conn-limit")
    assert second.words() == {"web": 8, "mail": 0, "late": 1}, "both forms went back"


def test_converting_brings_what_version_1_counted(
    control: Control, target: Target, second: Second
) -> None:
    apply(control, target.bundle, target.ko)
    target.sh("for i in 1 2 3 4 5 6 7 8 9; do echo 'syn web' > /proc/conn; done 2> /dev/null")
    apply(control, second.bundle, second.ko)
    assert "web limit 8 let in 0 refused 1" in second.host.read("/proc/conn_limit")
    revert(control, "conn-limit")


@pytest.mark.usefixtures("nothing_is_left")
def test_a_replacement_that_is_turned_round_leaves_version_1_whole(
    control: Control, target: Target, second: Second
) -> None:
    apply(control, target.bundle, target.ko)
    target.tell("syn web")
    target.background("wait web")
    _wait_for_sleeper(target, "lp_conn_wait")
    words = target.words()
    control.engine.load(second.bundle.module, second.ko)
    state, _ = settle(control, second.bundle.module, PatchPhase.PATCHED, 2.0)
    assert state.phase is PatchPhase.PATCHING
    for module in (target.bundle.module, second.bundle.module):
        for on in (True, False):
            with pytest.raises(HostError) as caught:
                control.engine.convert(module, on=on)
            assert caught.value.errno == errno.EBUSY, "nobody is in charge meanwhile"
    assert second.parameter("converted") == "1"
    target.tell("open between", "syn between")
    assert second.levels()["between"] == ORIGINAL, "nothing is converted meanwhile"
    control.engine.reverse(second.bundle.module)
    state, _ = settle(control, second.bundle.module, PatchPhase.UNPATCHED, 30.0)
    assert state.phase is PatchPhase.UNPATCHED
    control.engine.unload(second.bundle.module)

    assert target.words() == words | {"between": 1}
    assert target.parameter("convert") == "1", "version 1 goes on as it was"
    target.tell("syn between")
    assert target.forms()["between"] == "new"
    control.engine.convert(target.bundle.module, on=False)
    assert target.words() == {"web": 1, "mail": 0, "between": 2}
    target.tell("wake web")


def test_a_replacement_that_times_out_leaves_version_1_whole(
    control: Control, target: Target, second: Second
) -> None:
    apply(control, target.bundle, target.ko)
    target.tell("syn web")
    target.background("wait web")
    _wait_for_sleeper(target, "lp_conn_wait")
    hasty = Control(engine=control.engine, host=control.host, timeout=2.0)
    with pytest.raises(ApplyReversed):
        apply(hasty, second.bundle, second.ko)
    assert control.engine.state(second.bundle.module).phase is PatchPhase.ABSENT
    assert control.engine.state(target.bundle.module).phase is PatchPhase.PATCHED
    assert target.parameter("converted") == "1"
    target.tell("wake web")
    apply(control, second.bundle, second.ko)
    target.tell("syn web")
    assert second.levels()["web"] == COUNTED


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("clears", ["revert of the leftover", "convert", "revert of the live one"])
def test_an_apply_that_died_before_it_unloaded_version_1(
    control: Control, target: Target, second: Second, clears: str
) -> None:
    apply(control, target.bundle, target.ko)
    target.tell("syn web")
    control.engine.load(second.bundle.module, second.ko)
    assert (
        settle(control, second.bundle.module, PatchPhase.PATCHED, 30.0)[0].phase
        is PatchPhase.PATCHED
    )
    left = control.report(target.bundle.module)
    assert (left.phase, left.conversion) == (PatchPhase.UNPATCHED, "off")
    with pytest.raises(ApplyRefused, match="more than once") as caught:
        revert(control, "conn-limit")
    assert f"lppack revert {target.bundle.module} " in str(caught.value.hint)
    if clears == "convert":
        convert(control, "conn-limit")
        second.tell("syn mail")
        assert second.levels() == {"web": LIMITED, "mail": COUNTED}
    elif clears == "revert of the leftover":
        revert(control, target.bundle.module)
    if clears != "revert of the live one":
        assert control.engine.state(target.bundle.module).phase is PatchPhase.ABSENT
        assert control.engine.state(second.bundle.module).phase is PatchPhase.PATCHED
        assert second.levels()["web"] == LIMITED, "the data is as it was"
    revert(control, second.bundle.module)
    assert control.engine.patches() == ()
    assert second.words()["web"] == 1


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("point", ["conn-sampled", "conn-untracked"])
def test_replaced_while_conversions_are_under_way(
    control: Control, target: Target, second: Second, point: str
) -> None:
    """Threads stand inside version 1's conversion: they go on in its form, and are tracked."""
    apply(control, target.bundle, target.ko)
    target.hold(point)
    target.background("syn web", "syn mail")
    target.wait_until_held(2)
    control.engine.load(second.bundle.module, second.ko)
    state, _ = settle(control, second.bundle.module, PatchPhase.PATCHED, 2.0)
    assert state.phase is PatchPhase.PATCHING
    target.hold("")
    state, _ = settle(control, second.bundle.module, PatchPhase.PATCHED, 30.0)
    assert state.phase is PatchPhase.PATCHED
    was = LIMITED if point == "conn-untracked" else ORIGINAL
    assert second.levels() == {"web": was, "mail": was}, "where nothing was made new, nothing is"
    assert second.parameter("converted") == ("2" if was == LIMITED else "0")
    control.engine.unload(target.bundle.module)
    control.engine.convert(second.bundle.module, on=True)
    second.tell("syn web")
    assert second.levels() == {"web": COUNTED, "mail": was}
    revert(control, "conn-limit")
    assert second.words() == {"web": 2, "mail": 1}


@pytest.mark.usefixtures("nothing_is_left")
def test_replaced_when_a_stop_was_given_up_half_way(
    control: Control, target: Target, second: Second
) -> None:
    """One is reversed, the other is not: version 1 has run out of the time for one call."""
    apply(control, target.bundle, target.ko)
    target.tell("syn web", "syn mail")
    target.hold("conn-reversing")
    target.sh(
        f"(echo 0 > {abi.parameter(target.bundle.module, 'convert')}; echo $? > /tmp/rc) "
        "2> /dev/null & "
    )
    target.wait_until_held(1)
    target.sh("sleep 1.5")  # LP_STOP_MAX, and more
    target.hold("")
    target.until(lambda: target.parameter("converted") == "1")
    target.until(lambda: target.sh("cat /tmp/rc") == "1")
    assert sorted(second.levels().values()) == [LIMITED, ORIGINAL]
    apply(control, second.bundle, second.ko)
    assert second.parameter("converted") == "1"
    second.tell("syn web", "syn mail")
    assert second.levels() == {"web": COUNTED, "mail": COUNTED}
    revert(control, "conn-limit")
    assert second.words() == {"web": 2, "mail": 2}


@pytest.mark.usefixtures("nothing_is_left")
def test_a_third_version_reverses_what_all_have_converted(
    control: Control, target: Target, second: Second, kernel: Kernel, tmp_path: Path
) -> None:
    third = make(EXAMPLES / "conn-limit-2", kernel, tmp_path, version=3)
    apply(control, target.bundle, target.ko)
    target.tell("open late", "syn web", "syn mail", "syn late")
    apply(control, second.bundle, second.ko)
    second.tell("syn mail", "open born", "syn born")
    apply(control, third.bundle, third.ko)
    second.tell("syn late")
    assert second.levels() == {"web": LIMITED, "mail": COUNTED, "late": COUNTED, "born": COUNTED}
    assert second.host.read(abi.parameter(third.module, "converted")) == "4\n"
    with pytest.raises(ApplyRefused):
        apply(control, second.bundle, second.ko)
    revert(control, "conn-limit")
    assert second.words() == {"web": 1, "mail": 2, "late": 2, "born": 1}


def test_the_target_goes_after_the_replacement(
    control: Control, target: Target, second: Second, guest: GuestHost
) -> None:
    """What both versions tracked is dropped, never reversed: the target's exit has run."""
    apply(control, target.bundle, target.ko)
    target.tell("syn web", "syn mail")
    apply(control, second.bundle, second.ko)
    second.tell("syn web")
    assert second.parameter("converted") == "2"
    conn = str(second.ko.parent / "test/targets/conn.ko")
    assert guest.run(["rmmod", "conn"], limit=20.0).rc == 0
    assert second.parameter("converted") == "0"
    guest.put(Path(conn), "/tmp/conn.ko", mode=0o600)
    assert guest.run(["insmod", "/tmp/conn.ko"], limit=20.0).rc == 0
    second.tell("syn web")
    assert second.levels()["web"] == COUNTED
    revert(control, "conn-limit")
    assert second.words()["web"] == 1


def test_the_way_down_is_refused_by_apply_and_by_the_kernel(
    control: Control, target: Target, second: Second
) -> None:
    apply(control, second.bundle, second.ko)
    with pytest.raises(ApplyRefused, match="on guest already"):
        apply(control, target.bundle, target.ko)
    with pytest.raises(ApplyRefused) as caught:
        control.engine.load(target.bundle.module, target.ko)
    # kernel/livepatch/core.c, klp_enable_patch() (v6.1)
    assert "is not compatible with the already installed livepatches" in str(caught.value.hint)


def test_what_is_not_named_is_not_replaced(
    control: Control,
    second: Second,
    target: Target,
    built: Callable[[str, bool], tuple[Bundle, Path]],
) -> None:
    other, files = built("proc-cmdline", False)
    apply(control, other, files / f"{other.module}.ko")
    with pytest.raises(
        ApplyRefused, match="would remove live patches that it does not name: proc-cmdline"
    ):
        apply(control, second.bundle, second.ko)
    with pytest.raises(ApplyRefused) as caught:
        control.engine.load(second.bundle.module, second.ko)
    assert "is not compatible with the already installed livepatches" in str(caught.value.hint)
    assert control.engine.state(other.module).phase is PatchPhase.PATCHED
