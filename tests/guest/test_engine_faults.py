# SPDX-License-Identifier: MIT
"""A step that lppack's engine leaves out is seen by the loads; without the fault they see nothing
(tests/guest/test_engine_loads.py)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lppack import abi
from lppack.abi import PatchPhase
from lppack.consistency import EngineName, ModeName, mode_named
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages.apply import Control, settle, stop_conversion, unload
from tests.guest.mutation import Mutation
from tests.guest.mutation import spoilt as spoilt_patch
from tests.kit.engines import controlled
from tests.loads import spoilt
from tests.loads.driver import LOADS, Patch, Victim, measure, statistics
from tests.loads.matrix import VICTIM, build, loaded
from tests.loads.spoilt import Fault
from tests.loads.turning import turn_round
from tests.loads.verdict import faults

pytestmark = [pytest.mark.guest, pytest.mark.debug_kernel]

#: Times four flips, until a fault has shown: whether it does is a matter of chance.
TRIES = 5
#: Threads in the way, of which a page holds some 60.
MANY = 150


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def engine(kernel: Kernel, folder: Path) -> Path:
    """With room for more threads in the way than fit on a page."""
    blockers = ("internal.h", "#define LPE_BLOCKERS\t20\n", f"#define LPE_BLOCKERS\t{MANY}\n")
    return spoilt.make(kernel, folder / "engine", blockers)


@pytest.fixture(scope="module")
def patches(kernel: Kernel, folder: Path) -> dict[ModeName, Patch]:
    """Of each mode the one that asks the most of it."""
    names = {
        ModeName.KPATCH: "visits",
        ModeName.REFCOUNT: "visits",
        ModeName.HYBRID: "forms",
        ModeName.KGRAFT: "forms",
        ModeName.CHECKPOINT: "visits",
    }
    return {
        mode: build(name, kernel, EngineName.CONSISTENCY, mode_named(mode), folder / mode)
        for mode, name in names.items()
    }


@pytest.fixture(scope="module")
def victim(guest: GuestHost, patches: dict[ModeName, Patch]) -> Iterator[Victim]:
    with loaded(guest, patches[ModeName.KPATCH]) as victim:
        yield victim


@pytest.mark.shows("C6", "C7", "C28", "C33")
@pytest.mark.parametrize(
    ("mode", "fault", "load", "seen"),
    [
        (ModeName.KPATCH, Fault.NO_STACK_CHECK, "loop", "visits saw both universes"),
        (ModeName.REFCOUNT, Fault.NO_STACK_CHECK, "loop", "visits saw both universes"),
        (ModeName.HYBRID, Fault.NO_STACK_CHECK, "loop", "visits saw both universes"),
        (ModeName.KGRAFT, Fault.NO_BORDER_CHECK, "sleep", "calls saw both universes"),
        (ModeName.KPATCH, Fault.NO_GATE_CHECK, "loop", "visits saw both universes"),
        (ModeName.KGRAFT, Fault.NO_WORK_CHECK, "io_uring", "calls saw both universes"),
        (ModeName.KGRAFT, Fault.NO_LAST_CHECK, "close", "calls saw both universes"),
        (ModeName.CHECKPOINT, Fault.NO_LAST_CHECK, "close", "calls saw both universes"),
    ],
)
def test_a_step_that_is_left_out_is_seen(
    guest: GuestHost,
    victim: Victim,
    engine: Path,
    patches: dict[ModeName, Patch],
    mode: ModeName,
    fault: Fault,
    load: str,
    seen: str,
) -> None:
    def is_seen(control: Control) -> bool:
        row = measure(control, victim, patches[mode], mode, LOADS[load], flips=4)
        return any(seen in text for text in faults(row, mode_named(mode)))

    with spoilt.spoilt(guest, engine, fault=fault) as (control, _):
        assert any(is_seen(control) for _ in range(TRIES))


#: Reads a part of the list, turns the transition round until nobody is in the way, and reads on.
PAUSED = """cd "$0"; exec 3< blockers; dd bs=100 count=1 <&3 2> /dev/null; echo 0 > enabled
while [ "$(cat progress)" != 0 ]; do sleep 0.1; done; exec cat <&3"""
#: Another reader comes in the middle.
TAKEN = 'exec 3< "$0"; dd bs=100 count=1 <&3 > /dev/null 2>&1; cat "$0"; exec cat <&3'


def test_blockers_are_all_listed_and_of_one_moment(
    guest: GuestHost, victim: Victim, engine: Path, patches: dict[ModeName, Patch]
) -> None:
    patch = patches[ModeName.KPATCH]
    module = patch.bundle.module
    load = replace(LOADS["sleep"], visitors=MANY, ms=60000, in_flight=MANY)
    with spoilt.spoilt(guest, engine) as (control, _), victim.under(load):
        control.engine.load(module, patch.ko)
        assert settle(control, module, PatchPhase.PATCHED, 2.0)[0].phase is PatchPhase.PATCHING
        path = abi.engine_attribute(module, "blockers")
        listed = guest.read(path)
        blockers = control.engine.state(module).blockers
        taken = guest.run(["sh", "-c", TAKEN, path], limit=60)
        paused = guest.run(["sh", "-c", PAUSED, path.removesuffix("/blockers")], limit=60)
        settle_in(control, module, PatchPhase.UNPATCHED)
        assert unload(control, module)
    assert len(listed) > 4096
    assert len({one.tid for one in blockers}) == MANY
    assert taken.rc != 0 and "Stale file handle" in taken.err
    assert (paused.rc, paused.err, paused.out.count("\n")) == (0, "", MANY)
    assert all(len(line.split("\t")) == 5 for line in paused.out.splitlines())


@pytest.mark.parametrize("mode", [ModeName.HYBRID, ModeName.KGRAFT])
def test_a_transition_that_is_turned_round_in_the_middle_mixes_nothing(
    guest: GuestHost,
    victim: Victim,
    engine: Path,
    patches: dict[ModeName, Patch],
    mode: ModeName,
) -> None:
    with spoilt.spoilt(guest, engine) as (control, _):
        row = turn_round(control, victim, patches[mode], mode, LOADS["sleep"], times=2)
    assert list(faults(row, mode_named(mode))) == []


def test_who_forgets_at_the_turn_who_has_switched_is_seen(
    guest: GuestHost, victim: Victim, engine: Path, patches: dict[ModeName, Patch]
) -> None:
    with spoilt.spoilt(guest, engine, fault=Fault.NO_MEMORY) as (control, _):
        patch = patches[ModeName.HYBRID]
        assert any(
            turn_round(control, victim, patch, "hybrid", LOADS["sleep"], times=1).mixed
            for _ in range(TRIES)
        )


#: In a wrapper of templates/module/lp_count.c.j2, where a visit is counted and finds its universe
#: by one operation; a thread dwells behind it, or between the two that it could have been.
COUNTED = Mutation(
    "lp_count.c",
    "if (lpe_enter(&lp_counter))",
    "bool in_new = lpe_enter(&lp_counter);\n\n"
    "\tschedule_timeout_uninterruptible(1);\n"
    "\tif (in_new)",
)
COUNTED_LATE = Mutation(
    "lp_count.c",
    "if (lpe_enter(&lp_counter))",
    "bool in_new = atomic_long_read(&lp_counter.word) & LPE_IN_NEW;\n\n"
    "\tschedule_timeout_uninterruptible(1);\n"
    "\tatomic_long_add(LPE_VISIT, &lp_counter.word);\n"
    "\tif (in_new)",
)


@pytest.mark.shows("C7")
@pytest.mark.parametrize(
    ("mutation", "mixes"), [(COUNTED, False), (COUNTED_LATE, True)], ids=["at once", "late"]
)
def test_a_visit_that_is_counted_after_it_found_its_universe_is_seen(
    guest: GuestHost,
    victim: Victim,
    kernel: Kernel,
    tmp_path: Path,
    mutation: Mutation,
    mixes: bool,
) -> None:
    bundle, files = spoilt_patch(
        VICTIM / "visits.yaml", kernel, tmp_path, mutation, engine="consistency", mode="refcount"
    )
    patch = Patch(bundle=bundle, ko=files / f"{bundle.module}.ko")
    mode = mode_named(ModeName.REFCOUNT)

    def mixed(control: Control) -> bool:
        row = measure(control, victim, patch, mode.name, LOADS["loop"], flips=4)
        assert bool(row.mixed + row.together) is bool(list(faults(row, mode)))
        return row.mixed + row.together > 0

    for control in controlled(guest, EngineName.CONSISTENCY):
        assert any(mixed(control) for _ in range(TRIES if mixes else 1)) is mixes


#: As if many threads that were given up for dead ended their visits after all: more than there are.
LEAVES_TOO_OFTEN = Mutation(
    "lp_count.c",
    "\tlpe_leave(&lp_counter);\n\treturn result;",
    "\t{\n\t\tstatic atomic_t once = ATOMIC_INIT(0);\n\n"
    "\t\tif (!atomic_xchg(&once, 1))\n"
    "\t\t\tatomic_long_sub(1000 * LPE_VISIT, &lp_counter.word);\n\t}\n"
    "\tlpe_leave(&lp_counter);\n\treturn result;",
)


@pytest.mark.shows("C36")
def test_a_count_below_zero_is_put_right(
    guest: GuestHost, victim: Victim, kernel: Kernel, tmp_path: Path
) -> None:
    bundle, files = spoilt_patch(
        VICTIM / "visits.yaml",
        kernel,
        tmp_path,
        LEAVES_TOO_OFTEN,
        engine="consistency",
        mode="refcount",
    )
    module = bundle.module
    for control in controlled(guest, EngineName.CONSISTENCY):
        with victim.under(LOADS["sleep"]):
            control.engine.load(module, files / f"{module}.ko")
            settle_in(control, module, PatchPhase.PATCHED)
            assert statistics(guest, module)["lost"] == 0
            control.engine.reverse(module)
            settle_in(control, module, PatchPhase.UNPATCHED)
            assert unload(control, module)
    assert "have died" not in guest.run(["dmesg"], limit=30.0).out
    victim.tell("old")


#: In lp_track() of templates/module/lp_convert.c.j2.
NOT_TRACKED = Mutation(
    "lp_convert.c",
    "\t\thash_add(t->objects, &entry->node, (unsigned long)obj);\n"
    "\t\tlist_add_tail(&entry->link, &t->converted);\n"
    "\t\tatomic_long_inc(&t->count);\n",
    "\t\tlp_tracked_free(entry);\n",
)


@pytest.mark.shows("C24")
def test_what_is_not_tracked_is_met_by_old_code(
    guest: GuestHost, victim: Victim, kernel: Kernel, tmp_path: Path
) -> None:
    bundle, files = spoilt_patch(
        VICTIM / "forms.yaml", kernel, tmp_path, NOT_TRACKED, engine="consistency", mode="kpatch"
    )
    module = bundle.module
    for control in controlled(guest, EngineName.CONSISTENCY):
        with victim.under(LOADS["loop"]):
            victim.tell("clear")
            control.engine.load(module, files / f"{module}.ko")
            settle_in(control, module, PatchPhase.PATCHED)
            control.engine.convert(module, on=True)
            victim.wait("new cells", lambda now: now["cells_new"] > 0)
            assert stop_conversion(control, module, 60.0)
            control.engine.reverse(module)
            settle_in(control, module, PatchPhase.UNPATCHED)
            assert unload(control, module)
            victim.wait("old code that meets the new form", lambda now: now["wrong"] > 0)
    victim.tell("old")


def settle_in(control: Control, module: str, phase: PatchPhase) -> None:
    state, _ = settle(control, module, phase, 60.0)
    assert state.phase is phase, state
