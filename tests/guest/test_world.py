# SPDX-License-Identifier: MIT
"""TRANSFORM_WORLD: all data changes its form in the stop that flips, or nothing does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack import abi
from lppack.abi import PatchPhase
from lppack.consistency import EngineName, ModeName
from lppack.errors import ApplyRefused, ApplyReversed, ApplyStuck
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages.apply import Control, apply, settle, undo
from lppack.stages.revert import revert
from tests.kit.engines import controlled
from tests.kit.ledger import (
    EIO,
    END_OF_SCALE,
    ENODEV,
    ERANGE,
    FIRST,
    LIMIT,
    SHORT,
    Ledger,
    Wrong,
    build,
    round_trips,
)
from tests.loads import spoilt
from tests.loads.spoilt import Fault

pytestmark = pytest.mark.guest

ACCOUNTS, ROUNDS = 2000, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="module")
def engine(kernel: Kernel, folder: Path) -> Path:
    return spoilt.make(kernel, folder / "engine")


@pytest.fixture
def control(guest: GuestHost) -> Iterator[Control]:
    yield from controlled(guest, EngineName.CONSISTENCY)


@pytest.fixture(scope="module")
def switched(guest: GuestHost, kernel: Kernel, folder: Path) -> Ledger:
    return Ledger(
        guest, *build(kernel, folder / "switch", ModeName.KPATCH, switch=True, limit=SHORT)
    )


@pytest.fixture
def ledger(switched: Ledger) -> Iterator[Ledger]:
    """That with a switch; its target is new for each test."""
    with switched.loaded():
        yield switched


@pytest.mark.shows("C12", "C17", "C18")
@pytest.mark.parametrize(
    ("mode", "rounds"),
    [(ModeName.KPATCH, ROUNDS), (ModeName.REFCOUNT, 1), (ModeName.CHECKPOINT, 1)],
)
def test_there_and_back_under_load(
    control: Control, guest: GuestHost, kernel: Kernel, tmp_path: Path, mode: ModeName, rounds: int
) -> None:
    with Ledger(guest, *build(kernel, tmp_path, mode, limit=LIMIT)).loaded() as example:
        example.grow(ACCOUNTS)
        assert 0 < round_trips(control, example, rounds) <= LIMIT


@pytest.mark.debug_kernel
def test_a_target_that_goes_and_comes_while_it_is_patched(
    control: Control, guest: GuestHost, ledger: Ledger
) -> None:
    apply(control, ledger.bundle, ledger.ko)
    assert guest.run(["rmmod", "ledger"], limit=20.0).rc == 0
    assert guest.run(["insmod", "/test/ledger.ko"], limit=20.0).rc == 0
    ledger.tell("set 0 4294967295")
    ledger.tell("move 1 0 1")
    shown = ledger.shown()
    assert shown.total == 2**32 + 98 * 100 + 99, "its accounts were born new"
    revert(control, "ledger")
    assert ledger.shown().total == shown.total - 2**32, "as old code would have counted"


def refused(control: Control, ledger: Ledger) -> str:
    """What the kernel's log says of a patch that is refused before its transition."""
    with pytest.raises(ApplyRefused, match="refused lppack_ledger_1") as caught:
        apply(control, ledger.bundle, ledger.ko)
    return str(caught.value.hint)


def given_up(control: Control, ledger: Ledger) -> str:
    with pytest.raises(ApplyReversed) as caught:
        apply(control, ledger.bundle, ledger.ko)
    assert control.engine.state(ledger.bundle.module).phase is PatchPhase.ABSENT
    return caught.value.message


def test_check_refuses_before_anything_begins(control: Control, ledger: Ledger) -> None:
    ledger.tell(f"set 60 {END_OF_SCALE}")
    before = ledger.shown()
    assert f"check refused an instance: -{ERANGE}" in refused(control, ledger)
    assert ledger.shown() == before


@pytest.mark.debug_kernel
def test_a_transform_that_fails_half_way_leaves_nothing_changed(
    control: Control, ledger: Ledger
) -> None:
    ledger.wrong(Wrong.CHECK)
    ledger.tell(f"set 60 {END_OF_SCALE}")
    before = ledger.shown()
    said = given_up(control, ledger)
    assert f"transform account: forward refused an instance: -{ERANGE}\nreversed: " in said
    assert ledger.shown() == before
    ledger.tell("set 60 100")
    apply(control, ledger.bundle, ledger.ko)
    assert control.engine.state(ledger.bundle.module).converted == FIRST
    revert(control, "ledger")


def test_too_many_instances_for_the_stop_are_refused_beforehand(
    control: Control, ledger: Ledger
) -> None:
    ledger.grow(1000)
    ledger.wrong(Wrong.SLOW_CHECK)
    assert "max_stop_ms is too short to meet all instances" in refused(control, ledger)
    ledger.wrong(Wrong.NOTHING)
    apply(control, ledger.bundle, ledger.ko)  # the control: it was only too slow
    revert(control, "ledger")


def test_a_stop_that_would_become_too_long_is_taken_back(control: Control, ledger: Ledger) -> None:
    ledger.grow(1000)
    ledger.wrong(Wrong.SLOW_FORWARD)
    before = ledger.shown()
    control.engine.load(ledger.bundle.module, ledger.ko)
    state, _ = settle(control, ledger.bundle.module, PatchPhase.PATCHED, 60.0)
    assert (state.phase, state.problem) == (
        PatchPhase.UNPATCHED,
        "transform account: max_stop_ms is too short: -62",
    )
    assert 1000 < (state.longest_stop_ms or 0) <= SHORT
    assert ledger.shown() == before


def test_more_data_than_can_be_met_on_the_way_back_takes_a_longer_stop(
    control: Control, ledger: Ledger
) -> None:
    """Else the patch could not be taken back before somebody has freed the data."""
    apply(control, ledger.bundle, ledger.ko)
    module = ledger.bundle.module
    limit = abi.engine_attribute(module, "max_stop_ms")
    before = ledger.host.read(limit)
    ledger.grow(20_000)
    ledger.host.write(limit, "1")
    control.engine.reverse(module)
    state, _ = settle(control, module, PatchPhase.UNPATCHED, 60.0)
    assert state.phase is PatchPhase.PATCHED
    assert "max_stop_ms is too short to meet all instances" in (state.problem or "")
    ledger.host.write(limit, before.strip())
    revert(control, "ledger")


def test_more_data_than_can_be_put_back_takes_a_longer_stop(
    control: Control, ledger: Ledger
) -> None:
    """It is found before the first of it is: there is no way forward again."""
    ledger.wrong(Wrong.SLOW)
    apply(control, ledger.bundle, ledger.ko)
    module = ledger.bundle.module
    ledger.grow(1200)
    before = ledger.shown()
    with pytest.raises(ApplyReversed, match="too short to put all instances back") as caught:
        revert(control, "ledger")
    limit = abi.engine_attribute(module, abi.MAX_STOP_MS)
    assert f"> {limit}; then" in str(caught.value.hint)
    state = control.engine.state(module)
    assert state.phase is PatchPhase.PATCHED
    assert (state.longest_stop_ms or 0) <= SHORT
    assert ledger.shown() == before
    ledger.host.write(limit, str(10 * SHORT))
    revert(control, "ledger")
    assert ledger.shown() == before


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (Wrong.MARKER, "an instance is in the new form already"),
        (Wrong.PREPARE, "prepare failed"),
    ],
)
def test_what_cannot_begin_is_refused(
    control: Control, ledger: Ledger, wrong: Wrong, says: str
) -> None:
    ledger.wrong(wrong)
    before = ledger.shown()
    assert says in refused(control, ledger)
    assert ledger.shown() == before


def test_what_forward_leaves_old_is_seen(control: Control, ledger: Ledger) -> None:
    ledger.wrong(Wrong.LAZY_FORWARD)
    before = ledger.shown()
    assert "forward left an instance in the old form" in given_up(control, ledger)
    assert ledger.shown() == before


def test_what_reverse_leaves_new_is_told(control: Control, ledger: Ledger) -> None:
    apply(control, ledger.bundle, ledger.ko)
    ledger.wrong(Wrong.LAZY_REVERSE)
    with pytest.raises(ApplyStuck, match="reverse left an instance in the new form"):
        revert(control, "ledger")
    undo(control, ledger.bundle.module)


def test_an_instance_that_is_met_twice_is_put_back_once(control: Control, ledger: Ledger) -> None:
    """reverse() of this patch warns where it meets the old form."""
    before = ledger.shown()
    apply(control, ledger.bundle, ledger.ko)
    ledger.wrong(Wrong.TWICE)
    revert(control, "ledger")
    assert ledger.shown() == before


def test_an_answer_of_an_author_does_not_turn_the_transition_round(
    control: Control, ledger: Ledger
) -> None:
    """The engine means that by -EINTR of its own."""
    ledger.wrong(Wrong.INTERRUPTED)
    before = ledger.shown()
    assert f"forward refused an instance: -{EIO}" in given_up(control, ledger)
    assert ledger.shown() == before


def test_a_target_whose_init_may_yet_fail_is_waited_for(
    control: Control, guest: GuestHost, ledger: Ledger
) -> None:
    """Who has not seen it come would not be told when it goes."""
    assert guest.run(["rmmod", "ledger"], limit=20.0).rc == 0
    coming = f"insmod /test/ledger.ko wrong={Wrong.INIT.value}"
    ledger.sh(f"({coming} > /tmp/coming 2>&1 < /dev/null; echo $? > /tmp/came) &")
    try:
        ledger.until("cat /sys/module/ledger/initstate", "coming")
        assert "ledger is being loaded: try again" in refused(control, ledger)
        ledger.until("cat /tmp/came", str(ENODEV))  # as insmod says it
    finally:
        assert guest.run(["insmod", "/test/ledger.ko"], limit=20.0).rc == 0
    apply(control, ledger.bundle, ledger.ko)  # the control: it was only too early
    revert(control, "ledger")


@pytest.mark.debug_kernel
def test_instances_that_come_after_prepare_are_prepared_for(
    control: Control, ledger: Ledger
) -> None:
    with ledger.audit():
        control.engine.load(ledger.bundle.module, ledger.ko)
        ledger.tell("open 900 0")
        assert control.engine.state(ledger.bundle.module).phase is PatchPhase.PATCHING
    state, _ = settle(control, ledger.bundle.module, PatchPhase.PATCHED, 60.0)
    assert (state.phase, state.converted) == (PatchPhase.PATCHED, FIRST + 900)
    assert ledger.sh("cat /tmp/audit") == "", "the total was the same when the audit ended"
    revert(control, "ledger")


@pytest.mark.shows("C12", "C18")
@pytest.mark.parametrize(
    ("fault", "wrong"), [(Fault.NO_UNDO, Wrong.CHECK), (Fault.NO_REVERSE, Wrong.NOTHING)]
)
def test_a_step_that_is_left_out_is_seen(
    guest: GuestHost, ledger: Ledger, engine: Path, fault: Fault, wrong: Wrong
) -> None:
    ledger.wrong(wrong)
    if wrong is Wrong.CHECK:
        ledger.tell(f"set 60 {END_OF_SCALE}")
    before = ledger.shown()
    with spoilt.spoilt(guest, engine, fault=fault) as (kept, _):
        if fault is Fault.NO_UNDO:
            with pytest.raises(ApplyReversed, match="forward refused"):
                apply(kept, ledger.bundle, ledger.ko)
        else:
            apply(kept, ledger.bundle, ledger.ko)
            revert(kept, "ledger")
    assert ledger.shown() != before
