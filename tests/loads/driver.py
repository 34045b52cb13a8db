# SPDX-License-Identifier: MIT
"""Flips a patch of the victim back and forth while a load uses it, and counts what went wrong."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lppack import abi
from lppack.abi import PatchPhase
from lppack.engines.protocol import PatchState
from lppack.hosts.guest import GuestHost
from lppack.hosts.protocol import Host
from lppack.model import Bundle
from lppack.stages.apply import Control, settle, stop_conversion, unload

#: So many visits are in flight when a transition starts.
IN_FLIGHT = 20

_VISITORS = 32
_LONG_VISIT = 600000  # ms: MS_MAX of the victim; one less is MS_PIECES
_PATIENCE = 120.0  # seconds for the guest to get anywhere; a guard, not a measure
_OLD = (PatchPhase.UNPATCHED, PatchPhase.ABSENT)
_OUTPUT = "/tmp/load.out"
_HITS = "/tmp/fentry.hits"
#: What the kernel says at both ends of a transition, with its own clock, and where it was told to
#: (pr_debug) when the last thread had switched. kernel/livepatch/transition.c (v6.1):
#: klp_start_transition(), klp_complete_transition().
_SAID = (
    r"^\[\s*(\d+\.\d+)\] \w+: '{module}': (?:(starting|completing) (?:un)?patching transition"
    r"|(?:un)?patching (complete))$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is going on beside the visitors (tests/loads/victim/load/load.c)."""

    name: str
    words: str  # the name there
    visitors: int = _VISITORS
    ms: int = 30  # that each visit sleeps
    kthreads: int = 0
    fentry: str | None = None  # a BPF program sits on the patched function of vmlinux; its options
    in_flight: int = IN_FLIGHT  # so many visits at least when a transition starts
    watched: bool = False  # it has a bystander, and how long it is held is measured


LOADS: dict[str, Load] = {
    load.name: load
    for load in (
        Load(name="loop", words="visitors", ms=3),
        Load(name="sleep", words="visitors", ms=300),
        Load(name="fork", words="fork"),
        Load(name="vfork", words="vfork"),
        Load(name="die", words="die"),
        # Visits in task work, on the way out of the system call.
        Load(name="close", words="close", ms=3),
        Load(name="spin", words="spin"),
        Load(name="bystander", words="bystander", watched=True),
        Load(name="io_uring", words="io_uring"),
        Load(name="epoll", words="epoll"),
        Load(name="traced", words="traced"),
        Load(name="stopped", words="stopped"),
        Load(name="kthread", words="visitors", kthreads=2),
        Load(name="bpf", words="cmdline", fentry=""),
        # Few, and still a stop at a moment of its own choice never finds all of them outside.
        Load(name="starving", words="visitors", visitors=12, in_flight=8),
    )
}


@dataclass(slots=True, kw_only=True)
class Row:
    """One cell of the matrix: an engine in a mode, against a load."""

    engine: str
    mode: str
    load: str
    patch: str
    flips: int = 0  # transitions that were asked for, forward and back
    seconds: list[float] = field(default_factory=list)  # of each that finished
    switched: list[float] = field(default_factory=list)  # until the last thread had switched
    longest_stop: float | None = None  # ms; None: this engine does not stop the machine
    in_flight: int = 10**9  # the fewest visits in flight when a transition started
    visits: int = 0
    mixed: int = 0  # visits that saw both universes
    mixed_calls: int = 0  # system calls that did
    mixed_works: int = 0  # runs of all task work at the end of a system call that did
    together: int = 0  # visits that began beside one of the other universe
    wrong: int = 0  # data of the new form that old code met
    eintr: int = 0  # system calls that user space saw end early
    woken: int = 0  # sleeps in visits that a signal ended
    held: list[float] = field(default_factory=list)  # seconds of the bystander, for each flip
    looks: tuple[float, int, int] = (0.0, 0, 0)  # when a flip began: clock, watched, stood
    blockers: set[str] = field(default_factory=set)  # of those that did not finish
    broke: str = ""  # what ended the cell before its time

    @property
    def finished(self) -> int:
        return len(self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One of the victim's patches, built for one engine and mode."""

    bundle: Bundle
    ko: Path

    @property
    def name(self) -> str:
        return self.bundle.series

    @property
    def writes_at_once(self) -> bool:
        return not self.bundle.converts


class Victim:
    """The victim in a guest."""

    def __init__(self, host: GuestHost) -> None:
        self.host = host

    def counts(self) -> dict[str, int]:
        rows = (line.split() for line in self.host.read("/proc/victim").splitlines())
        return {name: int(count) for name, count in rows}

    def tell(self, text: str) -> None:
        self.host.write("/proc/victim", text)

    def wait(self, what: str, enough: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """Raises AssertionError if it never comes."""
        end = time.monotonic() + _PATIENCE
        while not enough(counts := self.counts()):
            assert time.monotonic() < end, f"no {what}: {counts}; {self.output()}"
            time.sleep(0.05)
        return counts

    def output(self) -> list[str]:
        """What the programs complained of."""
        return self._sh(f"cat {_OUTPUT}").splitlines()

    def _sh(self, command: str) -> str:
        return self.host.run(["/bin/sh", "-c", command], limit=30.0).out.strip()

    @contextlib.contextmanager
    def under(self, load: Load) -> Iterator[None]:
        """The load is there, with its visits in flight; at the end all of it is gone."""
        argv = f"/test/load {load.words} {load.visitors} {load.ms}"
        groups = [self._background(argv, _OUTPUT)]
        try:
            if load.fentry is not None:
                argv = f"/test/fentry cmdline_proc_show {_HITS} {load.fentry}"
                groups += [self._background(argv, _OUTPUT)]
                before = self.hits()
                assert self.hits_after(before) > before, self.output()
            self.tell(f"kthreads {load.kthreads}")
            self.wait("visits", lambda now: now["in_flight"] >= load.in_flight)
            yield
        finally:
            self.tell("kthreads 0")
            self._sh("; ".join(f"kill -KILL -- -{group}" for group in groups))
            self.wait("end", lambda now: now["in_flight"] == 0)

    @contextlib.contextmanager
    def blocked(self, count: int) -> Iterator[None]:
        """Start threads that read, and then sleep in the final fput of what they have read: a task
        work. After "finish" a thread does so when another task work waits for it, which then comes
        behind; until "release"."""
        self.tell("block")
        group = self._background("/test/load blocked 0 0", _OUTPUT)
        try:
            self.wait("readers", lambda now: now["reading"] == count)
            time.sleep(2.0)  # until the descriptors are closed
            yield
        finally:
            self.tell("release")
            self._sh(f"kill -KILL -- -{group}")
            self.wait("end", lambda now: now["reading"] + now["releasing"] == 0)

    @contextlib.contextmanager
    def held(self, *, restless: bool = False) -> Iterator[None]:
        """Beside a load: one visit that does not end, and is not woken. ``restless``: it wakes up
        all the time, and sleeps again."""
        before = self.counts()["in_flight"]
        length = _LONG_VISIT - restless
        group = self._background(f"/test/load visitors 1 {length}", _OUTPUT)
        try:
            self.wait("long visit", lambda now: now["in_flight"] > before)
            yield
        finally:
            self._sh(f"kill -KILL -- -{group}")

    def _background(self, argv: str, output: str) -> int:
        return int(self._sh(f"setsid {argv} >> {output} 2>&1 < /dev/null & echo $!"))

    def hits(self) -> int:
        return int(self._sh(f"cat {_HITS} 2> /dev/null") or 0)

    def hits_after(self, before: int) -> int:
        """The number of runs of the BPF program, when it has grown or cannot be seen to grow."""
        end = time.monotonic() + _PATIENCE
        while (now := self.hits()) <= before and time.monotonic() < end:
            time.sleep(0.1)
        return now


def statistics(host: Host, module: str) -> dict[str, int]:
    """All numbers that the engine shows of a patch; each is of another moment."""
    folder = abi.engine_attribute(module, "statistics")
    return {name: int(host.read(f"{folder}/{name}")) for name in host.list(folder)}


def measure(
    control: Control, victim: Victim, patch: Patch, mode: str, load: Load, *, flips: int
) -> Row:
    """``flips`` transitions, half of them back. One that does not finish is turned round."""
    row = Row(engine=control.engine.name, mode=mode, load=load.name, patch=patch.name)
    victim.host.run(["rm", "-f", _OUTPUT, _HITS], limit=30.0)
    stuck = False
    with victim.under(load):
        victim.tell("old")
        victim.tell("clear")
        while row.flips < flips and not stuck:
            if _forward(control, victim, patch, row, load):
                _use(control, victim, patch, load)
                stuck = not _back(control, victim, patch, row, load)
            if not stuck:
                assert unload(control, patch.bundle.module), "the module can be unloaded"
        row.eintr = _complaints(victim)
    if stuck:  # nobody is in the victim any more
        assert (
            settle(control, patch.bundle.module, PatchPhase.UNPATCHED, _PATIENCE)[0].phase in _OLD
        )
        assert unload(control, patch.bundle.module), "the module can be unloaded"
    return row


def _forward(control: Control, victim: Victim, patch: Patch, row: Row, load: Load) -> bool:
    module = patch.bundle.module
    _about_to_start(victim, row, load)
    control.engine.load(module, patch.ko)
    state, _ = settle(control, module, PatchPhase.PATCHED, control.timeout)
    done = state.phase is PatchPhase.PATCHED
    _ended(control, victim, row, state, done)
    if not done:
        control.engine.reverse(module)
        state, _ = settle(control, module, PatchPhase.UNPATCHED, _PATIENCE)
        assert state.phase is PatchPhase.UNPATCHED, state
        _account(victim, patch, row)
    return done


def _use(control: Control, victim: Victim, patch: Patch, load: Load) -> None:
    """Until new code has run for a while, and converted what it met."""
    module = patch.bundle.module
    if patch.bundle.converts:
        control.engine.convert(module, on=True)
    before = victim.counts()["new"]
    victim.wait("new visits", lambda now: now["new"] >= before + 50 and now["cells_new"] > 0)
    if load.fentry is not None:
        hits = victim.hits()
        assert victim.hits_after(hits) > hits, "the BPF program is still called"
    if patch.bundle.converts:
        assert stop_conversion(control, module, _PATIENCE)
        assert victim.counts()["cells_new"] == 0, "all was put back"


def _back(control: Control, victim: Victim, patch: Patch, row: Row, load: Load) -> bool:
    module = patch.bundle.module
    if patch.writes_at_once:
        # From here on old code meets new data in any mode: there is nothing that puts it back.
        _account(victim, patch, row)
    _about_to_start(victim, row, load)
    control.engine.reverse(module)
    state, _ = settle(control, module, PatchPhase.UNPATCHED, control.timeout)
    done = state.phase is PatchPhase.UNPATCHED
    _ended(control, victim, row, state, done)
    if patch.writes_at_once:
        victim.tell("old")
    _account(victim, patch, row, wrong=not patch.writes_at_once)
    return done


def _about_to_start(victim: Victim, row: Row, load: Load) -> None:
    now = victim.wait("visits", lambda now: now["in_flight"] >= load.in_flight)
    row.in_flight = min(row.in_flight, now["in_flight"])
    row.looks = (time.monotonic(), now["watched"], now["stood"])
    row.flips += 1


def _ended(control: Control, victim: Victim, row: Row, state: PatchState, done: bool) -> None:
    if LOADS[row.load].watched:
        clock, watched, stood = row.looks
        now = victim.counts()
        share = (now["stood"] - stood) / max(1, now["watched"] - watched)
        row.held.append(share * (time.monotonic() - clock))
    if state.longest_stop_ms is not None:
        row.longest_stop = max(row.longest_stop or 0.0, state.longest_stop_ms)
    if done:
        said = last_transition(control, state.module)
        row.seconds.append(said["complete"] - said["starting"])
        if "completing" in said:
            row.switched.append(said["completing"] - said["starting"])
    else:
        row.blockers |= {f"{b.comm} {b.reason}" for b in state.blockers}


def last_transition(control: Control, module: str) -> dict[str, float]:
    """When what of it was said in the kernel's log, in seconds."""
    said = control.host.run(["dmesg"], limit=30.0).out
    found: dict[str, float] = {}
    for line in re.finditer(_SAID.format(module=module), said, re.MULTILINE):
        word = line[2] or line[3]
        found = {word: float(line[1])} if word == "starting" else found | {word: float(line[1])}
    assert {"starting", "complete"} <= found.keys(), said[-2000:]
    return found


def _account(victim: Victim, patch: Patch, row: Row, *, wrong: bool = True) -> None:
    now = victim.counts()
    victim.tell("clear")
    row.visits += now["old"] + now["new"] + now["mixed"]
    row.mixed += now["mixed"]
    row.mixed_calls += now["mixed_calls"]
    row.mixed_works += now["mixed_works"]
    row.together += now["together"]
    row.woken += now["interrupted"]
    row.wrong += now["wrong"] if wrong else 0


def _complaints(victim: Victim) -> int:
    """The number of interrupted system calls; anything else that a program said is a failure."""
    said = [line for line in victim.output() if line != "attached"]
    interrupted = [line for line in said if line.endswith(": Interrupted system call")]
    assert said == interrupted, said
    return len(interrupted)
