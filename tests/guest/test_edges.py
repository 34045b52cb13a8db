# SPDX-License-Identifier: MIT
"""Functions at the edges of what lppack's own engine redirects: they call themselves, run in NMI,
have arguments on the stack, or belong to somebody else."""

from collections.abc import Iterator

import pytest

from lppack import abi
from lppack.abi import PatchPhase
from lppack.consistency import EngineName
from lppack.engines.kernel import KernelEngines
from lppack.errors import ApplyRefused
from lppack.hosts.guest import GuestHost
from lppack.model import Bundle
from lppack.stages.apply import Control, apply, settle
from lppack.stages.revert import revert
from lppack.stages.test import load_targets
from tests.kit.engines import Make, controlled, make
from tests.kit.target import Target

pytestmark = pytest.mark.guest

__all__ = ["make"]  # a fixture

PATCH = "../tests/guest/patches/edges"
EVENTS = "/sys/kernel/tracing/kprobe_events"
#: Places in Edges.seen().
OLD, NEW = 1, 2
#: Depth of edges_deep(), and what each universe adds at each step.
DEEP_OLD, DEEP_NEW = 40, 80


@pytest.fixture
def control(guest: GuestHost) -> Iterator[Control]:
    yield from controlled(guest, EngineName.CONSISTENCY)


class Edges(Target):
    """The target with its programs; the kprobe of holder.ko comes when it is asked for."""

    def depth(self) -> int:
        return self.seen()[0]

    def seen(self) -> list[int]:
        """What edges_deep() returned, and how often NMIs were in each universe so far."""
        return [int(number) for number in self.host.read("/proc/edges").split()]

    def struck_in(self, universe: int) -> None:
        """Until NMIs were."""
        before = self.seen()[universe]
        self.until(lambda: self.seen()[universe] > before + 20)

    def futex(self, word: str) -> str:
        return self.sh(f"/test/futex {word}")


@pytest.fixture(scope="module", params=["refcount", "hybrid"])
def subject(request: pytest.FixtureRequest, guest: GuestHost, make: Make) -> Iterator[Edges]:
    bundle, files = make(PATCH, "consistency", request.param)
    load_targets(guest, bundle, files)
    made = Edges(guest, bundle, files)
    made.sh("rmmod holder")
    yield made
    assert guest.run(["rmmod", "edges"], limit=20.0).rc == 0


def test_recursion_and_nmi_while_the_universe_changes(control: Control, subject: Edges) -> None:
    reader = subject.sh("setsid /test/deep > /dev/null 2> /tmp/deep.err < /dev/null & echo $!")
    assert subject.depth() == DEEP_OLD
    for _ in range(2):
        apply(control, subject.bundle, subject.ko)
        assert subject.depth() == DEEP_NEW
        subject.struck_in(NEW)
        revert(control, "edges")
        assert subject.depth() == DEEP_OLD
        subject.struck_in(OLD)
    assert subject.sh(f"kill -0 {reader} && cat /tmp/deep.err && echo reads") == "reads"
    subject.sh(f"kill {reader}")


def test_an_argument_on_the_stack(control: Control, subject: Edges) -> None:
    sleeper = subject.sh("setsid /test/futex sleep > /dev/null 2>&1 < /dev/null & echo $!")
    subject.until(lambda: subject.sleepers("do_futex") == 1)
    control.engine.load(subject.bundle.module, subject.ko)
    if subject.bundle.mode == "refcount":  # old code, by way of the wrapper
        state, _ = settle(control, subject.bundle.module, PatchPhase.PATCHED, 2.0)
        assert state.phase is PatchPhase.PATCHING, "the sleeper is in the way"
        assert subject.futex("old") == "0 -11"
    subject.sh(f"kill {sleeper}")
    state, _ = settle(control, subject.bundle.module, PatchPhase.PATCHED, 30.0)
    assert state.phase is PatchPhase.PATCHED
    assert subject.futex("new") == "123456"
    revert(control, "edges")
    assert subject.futex("old") == "0 -11"


def load(control: Control, bundle: Bundle, subject: Edges) -> str:
    """What the engine says of a function that is not free."""
    with pytest.raises(ApplyRefused) as caught:
        control.engine.load(bundle.module, subject.ko)
    assert control.engine.state(bundle.module).phase is PatchPhase.ABSENT
    return caught.value.hint or ""


def test_a_function_that_a_kprobe_redirects(control: Control, subject: Edges) -> None:
    assert subject.host.run(["insmod", "/test/holder.ko"], limit=20.0).rc == 0
    said = load(control, subject.bundle, subject)
    assert "cmdline_proc_show is redirected by a kprobe with a post handler, holder_post" in said
    assert subject.host.run(["rmmod", "holder"], limit=20.0).rc == 0
    apply(control, subject.bundle, subject.ko)
    assert subject.host.run(["insmod", "/test/holder.ko"], limit=20.0).rc != 0
    assert subject.host.read("/proc/cmdline") == "edges\n"
    revert(control, "edges")


def test_while_ftrace_is_off_the_log_says_so(control: Control, subject: Edges) -> None:
    """It is nobody's function then, and not the functions that are to blame."""
    subject.host.write(abi.FTRACE_ENABLED, "0")
    try:
        said = load(control, subject.bundle, subject)
    finally:
        subject.host.write(abi.FTRACE_ENABLED, "1")
    assert "ftrace is off; turn it on: sysctl kernel.ftrace_enabled=1" in said
    assert "is redirected by" not in said
    apply(control, subject.bundle, subject.ko)
    revert(control, "edges")


def test_a_kprobe_that_only_looks_is_called_beside_the_patch(
    control: Control, subject: Edges
) -> None:
    subject.host.write(EVENTS, "p:looks cmdline_proc_show")
    enable = "/sys/kernel/tracing/events/kprobes/looks/enable"
    subject.host.write(enable, "1")
    apply(control, subject.bundle, subject.ko)
    subject.host.write("/sys/kernel/tracing/trace", "")
    assert subject.host.read("/proc/cmdline") == "edges\n"
    assert "looks: (cmdline_proc_show" in subject.host.read("/sys/kernel/tracing/trace")
    revert(control, "edges")
    subject.host.write(enable, "0")
    subject.host.write(EVENTS, "\n")  # opened anew, it is empty


def test_a_function_that_a_live_patch_redirects(
    control: Control, subject: Edges, make: Make, guest: GuestHost
) -> None:
    theirs, files = make("proc-cmdline", "livepatch", "hybrid")
    upstream = Control(engine=KernelEngines(guest, EngineName.LIVEPATCH), host=guest, timeout=60.0)
    apply(upstream, theirs, files / f"{theirs.module}.ko")
    said = load(control, subject.bundle, subject)
    assert "cmdline_proc_show is redirected by a live patch" in said
    with pytest.raises(ApplyRefused, match=f"is replaced by {theirs.module} already"):
        apply(control, subject.bundle, subject.ko)
    revert(upstream, "proc-cmdline")
