# SPDX-License-Identifier: MIT
"""A guest with the defects of 6.1.0-47, the patches of examples/fixes, and what shows them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lppack import abi, pipeline
from lppack.builders.container import ContainerBuilder
from lppack.debian.kernels import resolve
from lppack.engines.livepatch import Livepatch
from lppack.hosts.guest import GuestHost, boot
from lppack.hosts.initramfs import modules_in_order
from lppack.model import Bundle, Kernel
from lppack.stages.apply import Control, apply
from lppack.stages.build import build_program
from lppack.stages.bundle import extract
from lppack.stages.revert import revert
from lppack.stages.test import fits
from tests.kit.command import EXAMPLES, ROOT
from tools.cumulative import FIRST

FIXES = EXAMPLES / "fixes"
#: Debian 12's 6.1.170-3 has all of the defects, and its newest kernel has none.
OLD = "6.1.0-47-amd64"
BOOT = ("secretmem.enable=1",)
_MODULES = ("vsock", "binfmt_misc", "loop")
_PROGRAMS = ROOT / "tests/guest/programs"
# Programs in turn, again and again: how often each has run, and what it said.
_LOOP = (
    "(n=0; while [ -e /tmp/go ]; do n=$((n + 1)); for name in {0}; do "
    "(echo $n; /test/$name 2>&1) > /tmp/$name.new; mv /tmp/$name.new /tmp/$name.said; done; done; "
    "cd /tmp; for name in {0}; do rm -f $name.said; done) & "
)
_LOOPS = 3  # an emulated machine is slow
_SAID = "for name in {}; do cat /tmp/$name.said 2> /dev/null || echo 0; echo --; done"
_LIMIT = 600.0  # seconds, on a busy machine


@dataclass(frozen=True, slots=True)
class Seen:
    """What the program load/``program``.c prints with the defect and without, as in `expect`."""

    program: str
    defect: str
    fixed: str


SEEN = {
    "prctl-auxv": Seen("auxv", r"/^1 set, (?!1 )\d+ shown$/", "1 set, 1 shown"),
    "vsock-buffer": Seen(
        "vsock", "buffer 1048576 of at most 262144", "buffer 262144 of at most 262144"
    ),
    "binfmt-misc": Seen(
        "binfmt",
        "interpreter of a removed entry: Text file busy",
        "interpreter of a removed entry: opens",
    ),
    "disable-ipv6": Seen("ipv6", "/^(.+: accepted\n?){3}$/", "/^(.+: Invalid argument\n?){3}$/"),
    "attach-filter": Seen(
        "filter", "tcp: attached\nudp: attached", "tcp: Operation not permitted\nudp: attached"
    ),
    "ipc-next-id": Seen(
        "ipc",
        "first the last id\nsecond beyond the last id: Invalid argument",
        "first the last id\nsecond: No space left on device",
    ),
    "loop-block-size": Seen(
        "loop",
        "under an exclusive owner: changed, block size 4096",
        "under an exclusive owner: Device or resource busy, block size 512",
    ),
    "raw-header": Seen(
        "raw",
        "header of 16 bytes: sent\nheader of 20 bytes: sent",
        "header of 16 bytes: Invalid argument\nheader of 20 bytes: sent",
    ),
    "tcp-reordering": Seen(
        "reordering",
        "here: -5 accepted, value -5\nnew namespace: -5 accepted, value -5\n"
        "11 of at most 10: accepted",
        "here: -5 Invalid argument, value 3\nnew namespace: -5 Invalid argument, value 3\n"
        "11 of at most 10: Invalid argument",
    ),
    "proc-nlink": Seen(
        "nlink",
        r"/^some of many .*\nhere: (\d+) links, right (?!\1\n)\d+\n"
        r"new namespace: (\d+) links, right (?!\2$)\d+$/",
        r"/^none of many .*\nhere: (\d+) links, right \1\nnew namespace: (\d+) links, right \2$/",
    ),
    "secretmem": Seen(
        "secretmem",
        "limit 16 pages, 256 held; 12 others: granted, closed: granted",
        "limit 16 pages, 16 held; 12 others: Cannot allocate memory, closed: granted",
    ),
}


class Reproducers:
    """A guest with the programs of all fixes and the modules that they look at."""

    def __init__(self, host: GuestHost, kernel: Kernel) -> None:
        self.host = host
        for name, seen in SEEN.items():
            source = FIXES / f"{name}/load/{seen.program}.c"
            program = build_program(source, ContainerBuilder())
            host.put(program, f"/test/{seen.program}", mode=0o755)
        for file in modules_in_order(kernel, _MODULES):
            host.put(file, f"/test/{file.name}")
            ran = host.run(["insmod", f"/test/{file.name}"], limit=60.0)
            assert ran.rc == 0, f"{file}: {ran.err}"

    def say(self) -> dict[str, str]:
        """What each program prints."""
        ran = {name: self.host.run([f"/test/{SEEN[name].program}"], limit=60.0) for name in SEEN}
        return {name: (one.out + one.err).strip() for name, one in ran.items()}


class Fixes(Reproducers):
    """The patches, too; each is built when it is first asked for."""

    def __init__(self, host: GuestHost, kernel: Kernel, folder: Path) -> None:
        super().__init__(host, kernel)
        host.limit = _LIMIT  # to write to enabled takes a while under load
        self.control = Control(engine=Livepatch(host), host=host, timeout=_LIMIT)
        self._folder = folder
        self._made: dict[str, tuple[Bundle, Path]] = {}

    def made(self, name: str) -> tuple[Bundle, Path]:
        """The bundle of examples/fixes/``name``, and its module."""
        if name not in self._made:
            self._made[name] = self.make(FIXES / name)
        return self._made[name]

    def make(self, patch: Path) -> tuple[Bundle, Path]:
        work = self._folder / f"{len(list(self._folder.iterdir()))}"
        plan = pipeline.make_plan(patch, kernel=OLD)
        made = pipeline.make_bundle(plan, work, builder="docker", on_line=lambda _line: None)
        extract(made.path, work)
        return made.bundle, work / f"{made.bundle.module}.ko"

    def sh(self, command: str) -> str:
        ran = self.host.run(["/bin/sh", "-c", command], limit=_LIMIT)
        return (ran.out + ran.err).strip()

    def put_program(self, name: str) -> None:
        program = build_program(_PROGRAMS / f"{name}.c", ContainerBuilder())
        self.host.put(program, f"/test/{name}", mode=0o755)

    def apply(self, name: str, *, convert: bool = True) -> None:
        apply(self.control, *self.made(name), convert=convert)

    def converted(self, name: str) -> int:
        return int(self.host.read(abi.parameter(self.made(name)[0].module, "converted")))

    def undo(self, module: str) -> None:
        revert(self.control, module)
        assert module not in self.modules()

    def undo_all(self) -> None:
        for state in self.control.engine.patches():
            self.undo(state.module)

    def modules(self) -> set[str]:
        return {state.module for state in self.control.engine.patches()}

    def live(self) -> set[str]:
        """The fixes whose program sees the fixed kernel; each sees that or the defect."""
        return {name for name in SEEN if self._fixed(name, self.sh(f"/test/{SEEN[name].program}"))}

    def _fixed(self, name: str, said: str) -> bool:
        fixed = fits(SEEN[name].fixed, said)
        assert fixed != fits(SEEN[name].defect, said), (name, said)
        return fixed

    @contextmanager
    def load(self) -> Iterator[None]:
        """The programs of every fix run again and again, three at a time; none beside itself."""
        programs = [seen.program for seen in SEEN.values()]
        loops = (_LOOP.format(" ".join(programs[n::_LOOPS])) for n in range(_LOOPS))
        self.sh(f"touch /tmp/go; {''.join(loops)}")
        try:
            yield
        finally:
            self.sh("rm -f /tmp/go")
            self._until(lambda: self.sh("ls /tmp/*.said 2> /dev/null") == "")

    def live_under_load(self) -> set[str]:
        """As `live`, of what each program says that begins after now."""
        before = {name: count for name, (count, _) in self._said().items()}
        self._until(lambda: all(n >= before[name] + 2 for name, (n, _) in self._said().items()))
        return {name for name, (_, text) in self._said().items() if self._fixed(name, text)}

    def _said(self) -> dict[str, tuple[int, str]]:
        """How often each program has run under load, and what it said last."""
        programs = " ".join(seen.program for seen in SEEN.values())
        parts = (part.strip() for part in self.sh(_SAID.format(programs)).split("--\n"))
        found = (part.removesuffix("--").partition("\n") for part in parts)
        rows = ((int(count), text.strip()) for count, _, text in found)
        return dict(zip(SEEN, rows, strict=True))

    def _until(self, seen: Callable[[], bool]) -> None:
        end = time.monotonic() + _LIMIT
        while not seen():
            assert time.monotonic() < end
            time.sleep(0.5)


def run_rounds(fixes: Fixes, rounds: int) -> None:
    """Rounds of apply and revert of the cumulative patch under all of the programs; asserts that
    each program sees its fix when it is applied, and its defect when it is reverted."""
    with fixes.load():
        for _ in range(rounds):
            assert fixes.live_under_load() == set()
            fixes.apply("all")
            assert fixes.live_under_load() == set(FIRST)
            fixes.undo_all()
        assert fixes.live_under_load() == set()
    assert fixes.host.faults() == ()


@pytest.fixture(scope="module")
def fixes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fixes]:
    kernel = resolve(OLD, ())
    folder = tmp_path_factory.mktemp("fixes")
    initramfs = pipeline.initramfs_for(kernel, "docker")
    with boot(kernel, work=folder / "g", initramfs=initramfs, cmdline=BOOT) as host:
        made = Fixes(host, kernel, folder)
        made.put_program("held")
        assert "loop7" in made.sh("/test/loop make 7; cat /proc/partitions")
        yield made
        assert host.faults() == ()
