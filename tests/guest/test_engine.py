# SPDX-License-Identifier: MIT
"""What lppack's own engine alone has to show."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack import abi
from lppack.abi import PatchPhase
from lppack.consistency import EngineName
from lppack.errors import ApplyRefused, ApplyReversed
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages import ways_out
from lppack.stages.apply import Control, apply, settle
from lppack.stages.revert import revert
from lppack.stages.test import load_targets
from tests.kit.engines import Make, asleep_in, controlled, make
from tests.kit.target import Target
from tests.loads import spoilt
from tests.loads.driver import statistics

pytestmark = pytest.mark.guest

__all__ = ["make"]  # a fixture


@pytest.fixture
def control(guest: GuestHost) -> Iterator[Control]:
    yield from controlled(guest, EngineName.CONSISTENCY)


@pytest.fixture
def conn(guest: GuestHost, make: Make) -> Iterator[None]:
    bundle, files = make("conn-limit", "consistency", "kpatch")
    load_targets(guest, bundle, files)
    yield
    assert guest.run(["rmmod", "conn"], limit=20.0).rc == 0


@pytest.mark.shows("C1")
def test_the_null_model_waits_for_nobody_but_before_it_unloads(
    control: Control, guest: GuestHost, make: Make
) -> None:
    bundle, files = make("../tests/guest/patches/nap", "consistency", "null-model")
    load_targets(guest, bundle, files)
    nap = Target(guest, bundle, files)
    nap.sh("cat /proc/nap > /dev/null &")
    asleep_in(nap, "nap_show")
    apply(control, bundle, nap.ko)
    assert guest.read("/proc/naps") == "old 1 new 0\n", "the sleeper is still in the old function"
    nap.sh("cat /proc/nap > /dev/null &")
    asleep_in(nap, "lp_nap_show")
    hasty = Control(engine=control.engine, host=guest, timeout=2.0)
    with pytest.raises(ApplyReversed, match="is in lp_nap_show"):
        revert(hasty, "nap")
    assert control.engine.state(bundle.module).phase is PatchPhase.PATCHED
    guest.write("/proc/naps", "wake")
    revert(control, "nap")
    assert guest.run(["rmmod", "nap"], limit=20.0).rc == 0


def test_the_kernels_own_engine_and_ours_do_not_share_a_function(
    control: Control, guest: GuestHost, make: Make
) -> None:
    ours, our_files = make("proc-cmdline", "consistency", "kpatch")
    theirs, their_files = make("proc-cmdline", "livepatch", "hybrid")
    other = Control(engine=control.engine, host=guest)
    renamed = their_files / "lppack_other_1.ko"
    their_files.joinpath(f"{theirs.module}.ko").rename(renamed)
    apply(control, ours, our_files / f"{ours.module}.ko")
    with pytest.raises(ApplyRefused, match="is on guest already"):
        apply(other, theirs, renamed)
    revert(control, "proc-cmdline")


def test_what_is_seen_below_sys(control: Control, guest: GuestHost, make: Make) -> None:
    bundle, files = make("proc-cmdline", "consistency", "checkpoint")
    apply(control, bundle, files / f"{bundle.module}.ko")

    def read(name: str) -> str:
        return guest.read(abi.engine_attribute(bundle.module, name)).strip()

    assert [read(name) for name in ("enabled", "state", "mode", "progress", "blockers")] == [
        "1",
        "patched",
        "checkpoint",
        "0",
        "",
    ]
    assert read("functions") == "vmlinux cmdline_proc_show 1"
    told = statistics(guest, bundle.module)
    assert told["stops"] >= told["tries"] >= 1
    assert told["longest_stop_ns"] > 0
    guest.write(abi.engine_attribute(bundle.module, "signals"), "0")
    guest.write(abi.engine_attribute(bundle.module, "deadline_ms"), "5000")
    assert (read("signals"), read("deadline_ms")) == ("0", "5000")
    revert(control, "proc-cmdline")
    assert guest.read("/proc/cmdline") != "this has been live patched\n"


MANY = 150


def many(folder: Path) -> Path:
    """A patch of so many functions of a module that their list is longer than a page."""
    names = [f"one_of_a_great_many_functions_{number:03}" for number in range(MANY)]
    (folder / "target").mkdir()
    head = "// SPDX-License-Identifier: GPL-2.0-only\n"
    (folder / "target/Kbuild").write_text("obj-m := many.o\n")
    old = "".join(
        f"noinline int {name}(void);\nnoinline int {name}(void)\n{{\n\treturn 0;\n}}\n"
        for name in names
    )
    (folder / "target/many.c").write_text(
        f'{head}#include <linux/module.h>\n\n{old}MODULE_LICENSE("GPL");\n'
    )
    new = "".join(
        f"int lp_{name}(void);\nint lp_{name}(void)\n{{\n\treturn 1;\n}}\n" for name in names
    )
    (folder / "lp_many.c").write_text(f"{head}{new}")
    functions = "".join(f"      - {{old: {name}, new: lp_{name}}}\n" for name in names)
    (folder / "manifest.yaml").write_text(
        "lppack: 1\nname: many\nversion: 1\ndescription: More functions than fit on a page\n"
        "license: GPL-2.0-only\nauthor: The lppack authors\n"
        'kernels: ["6.1.0-*-amd64"]\nneeds: [LEAVE_PATCHED_SET, SWITCH_KERNEL]\n'
        "sources: [lp_many.c]\nobjects:\n  - name: many\n    functions:\n"
        f"{functions}test:\n  targets: [many]\n"
    )
    return folder


def test_functions_that_wait_are_all_listed(
    control: Control, guest: GuestHost, make: Make, tmp_path: Path
) -> None:
    """What is not listed would count as live."""
    bundle, files = make(str(many(tmp_path)), "consistency", "kpatch")
    apply(control, bundle, files / f"{bundle.module}.ko")
    assert len(control.engine.state(bundle.module).waiting) == MANY
    listed = guest.read(abi.engine_attribute(bundle.module, "functions"))
    assert len(listed) > 4096 and listed.count("\n") == MANY
    assert (
        guest.run(
            ["stat", "-c", "%a", abi.engine_attribute(bundle.module, "blockers")], limit=20.0
        ).out.strip()
        == "400"
    )
    revert(control, "many")


@pytest.mark.parametrize("mode", ["kpatch", "hybrid"])
def test_without_anybody_there_the_engine_gives_up_by_itself(
    control: Control, guest: GuestHost, make: Make, conn: None, mode: str
) -> None:
    bundle, files = make("conn-limit", "consistency", mode)
    target = Target(guest, bundle, files)
    target.background("wait web")
    asleep_in(target, "conn_wait")
    control.engine.load(bundle.module, target.ko)
    guest.write(abi.engine_attribute(bundle.module, "deadline_ms"), "1000")
    state, _ = settle(control, bundle.module, PatchPhase.UNPATCHED, 30.0)
    assert state.phase is PatchPhase.UNPATCHED
    said = re.findall(rf"'{bundle.module}': (.*)", guest.run(["dmesg"], limit=20.0).out)
    assert "reversing transition, now unpatching" in said[-4:], said
    target.tell("wake web")


@pytest.fixture
def napping(guest: GuestHost) -> Iterator[None]:
    """A program that sleeps in the kernel, and one that does not."""
    loop = "while :; do echo x >> /tmp/loop; done"
    words = f"setsid sleep 300 > /dev/null & echo $!; setsid sh -c '{loop}' > /dev/null & echo $!"
    started = guest.run(["/bin/sh", "-c", words], limit=20.0).out.split()
    yield
    guest.run(["kill", "-KILL", *started], limit=20.0)


def test_what_tracers_see(control: Control, guest: GuestHost, make: Make, napping: None) -> None:
    bundle, files = make("proc-cmdline", "consistency", "checkpoint")
    apply(control, bundle, files / f"{bundle.module}.ko")
    guest.write("/sys/kernel/tracing/events/lppack/enable", "1")
    control.engine.reverse(bundle.module)
    assert (
        settle(control, bundle.module, PatchPhase.UNPATCHED, 60.0)[0].phase is PatchPhase.UNPATCHED
    )
    seen = re.findall(r" lppack_(\w+): (\S+) (.*)", guest.read("/sys/kernel/tracing/trace"))
    assert {module for _, module, _ in seen} == {bundle.module}
    events = [event for event, _, _ in seen]
    assert (events[0], events[-1]) == ("begin", "end")
    assert {"stop", "held", "signalled"} <= {*events}
    assert [text for event, _, text in seen if event == "signalled" and "comm=sleep " in text]
    revert(control, "proc-cmdline")


def test_without_signals_sleepers_sleep_on_and_nobody_is_held_for_long(
    control: Control, guest: GuestHost, make: Make, napping: None
) -> None:
    bundle, files = make("proc-cmdline", "consistency", "checkpoint")
    apply(control, bundle, files / f"{bundle.module}.ko")

    def signalled() -> int:
        return statistics(guest, bundle.module)["signalled"]

    def turns() -> int:
        return int(guest.run(["wc", "-c", "/tmp/loop"], limit=20.0).out.split()[0])

    guest.write(abi.engine_attribute(bundle.module, "signals"), "0")
    before = signalled()
    control.engine.reverse(bundle.module)
    state, _ = settle(control, bundle.module, PatchPhase.UNPATCHED, 3.0)
    assert state.phase is PatchPhase.UNPATCHING
    [sleeper] = [blocker for blocker in state.blockers if blocker.comm == "sleep"]
    assert "has not left the kernel" in sleeper.reason
    made = turns()
    settle(control, bundle.module, PatchPhase.UNPATCHED, 2.0)
    assert turns() > made, "a held thread goes on when its time is over"
    assert signalled() == before
    guest.write(abi.engine_attribute(bundle.module, "signals"), "1")
    assert (
        settle(control, bundle.module, PatchPhase.UNPATCHED, 60.0)[0].phase is PatchPhase.UNPATCHED
    )
    revert(control, "proc-cmdline")


def test_what_only_tells_cannot_be_set_when_it_is_loaded(guest: GuestHost, make: Make) -> None:
    """Also where its mode in sysfs is 0444 the kernel would call what is not there."""
    _, our_files = make("proc-cmdline", "consistency", "kpatch")
    theirs, their_files = make("proc-cmdline", "livepatch", "hybrid")
    for ko, parameters in (
        (their_files / f"{theirs.module}.ko", ("info", "converted", "left_old")),
        (our_files / "lppack_engine.ko", ("api",)),
    ):
        guest.put(ko, "/tmp/told.ko")
        for parameter in parameters:
            done = guest.run(["insmod", "/tmp/told.ko", f"{parameter}=1"], limit=20.0)
            assert done.rc != 0 and "not permitted" in done.err, done.err
            assert f"{ko.stem} " not in guest.read("/proc/modules")


def test_a_kernel_that_it_was_not_tried_on_is_refused_by_the_module(
    guest: GuestHost, kernel: Kernel, tmp_path: Path
) -> None:
    """Each bar turned round, as if this kernel were another one; as they are it loads here."""
    ko = spoilt.make(
        kernel, tmp_path, ("support.c", "if (lpe_bars[i].stands)", "if (!lpe_bars[i].stands)")
    )
    guest.put(ko, "/tmp/other.ko")
    done = guest.run(["insmod", "/tmp/other.ko"], limit=30.0)
    assert done.rc != 0 and "not supported" in done.err, done.err
    said = re.findall(
        r"lppack_engine: this kernel (.*?)[,:\n]", guest.run(["dmesg"], limit=30.0).out
    )
    assert [*dict.fromkeys(said)] == [  # busybox tries it twice
        "is none of 6.1",
        "has CONFIG_PREEMPT_RT",
        "has no CONFIG_PREEMPTION",
        "has no CONFIG_HAVE_RELIABLE_STACKTRACE",
    ]


def test_each_way_out_of_the_kernel_is_tried_when_the_module_is_loaded(
    guest: GuestHost, kernel: Kernel, tmp_path: Path
) -> None:
    """Each answer inverted, as if a compiler had inlined what is looked for."""
    ko = spoilt.make(
        kernel, tmp_path, ("ways.c", "!lpe_is_known(&lpe_ways[i])", "lpe_is_known(&lpe_ways[i])")
    )
    guest.put(ko, "/tmp/other.ko")
    done = guest.run(["insmod", "/tmp/other.ko"], limit=30.0)
    assert done.rc != 0 and "not supported" in done.err, done.err
    said = re.findall(
        r"lppack_engine: the border .* in this kernel: (.*)",
        guest.run(["dmesg"], limit=30.0).out,
    )
    assert (*dict.fromkeys(said),) == tuple(way.what for way in ways_out.ways())
