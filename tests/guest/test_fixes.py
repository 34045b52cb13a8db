# SPDX-License-Identifier: MIT
"""The fixes of examples/fixes: what their programs see of the defects, and of the patches."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lppack import pipeline
from lppack.builders.container import ContainerBuilder
from lppack.hosts.guest import GuestHost, boot
from lppack.hosts.initramfs import modules_in_order
from lppack.model import Kernel
from lppack.packages.kernels import resolve
from lppack.stages.build import build_program
from lppack.stages.test import fits
from tests.command import EXAMPLES, lppack
from tests.guest.conftest import PATTERNS

pytestmark = pytest.mark.guest

#: Debian 12's 6.1.170-3 has all of the defects, and its newest kernel has none.
OLD = "6.1.0-47-amd64"
MODULES = ("vsock", "binfmt_misc", "loop")
BOOT = ("secretmem.enable=1",)
FIXES = EXAMPLES / "fixes"
#: One of each kind; tests/soak/test_fixes.py takes them all.
HERE = ("prctl-auxv", "ipc-next-id", "binfmt-misc", "secretmem")


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
        for file in modules_in_order(kernel, MODULES):
            host.put(file, f"/tmp/{file.name}")
            ran = host.run(["insmod", f"/tmp/{file.name}"], limit=60.0)
            assert ran.rc == 0, f"{file}: {ran.err}"

    def say(self) -> dict[str, str]:
        """What each program prints."""
        ran = {name: self.host.run([f"/test/{SEEN[name].program}"], limit=60.0) for name in SEEN}
        return {name: (one.out + one.err).strip() for name, one in ran.items()}


@pytest.fixture
def reproducers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reproducers]:
    kernel = resolve(request.param, PATTERNS)
    initramfs = pipeline.initramfs_for(kernel, "docker")
    work = tmp_path_factory.mktemp("g")
    with boot(kernel, work=work, initramfs=initramfs, cmdline=BOOT) as host:
        yield Reproducers(host, kernel)
        assert host.faults() == ()


def others(said: dict[str, str], wanted: dict[str, str]) -> dict[str, str]:
    """What was said where something else was wanted."""
    return {name: text for name, text in said.items() if not fits(wanted[name], text)}


@pytest.mark.parametrize("reproducers", [OLD], indirect=True)
def test_the_old_kernel_has_each_defect(reproducers: Reproducers) -> None:
    said = reproducers.say()
    assert others(said, {name: seen.defect for name, seen in SEEN.items()}) == {}
    assert others(said, {name: seen.fixed for name, seen in SEEN.items()}) == said


@pytest.mark.parametrize("reproducers", [None], indirect=True)
def test_the_newest_kernel_has_none(reproducers: Reproducers) -> None:
    said = reproducers.say()
    assert others(said, {name: seen.fixed for name, seen in SEEN.items()}) == {}
    assert others(said, {name: seen.defect for name, seen in SEEN.items()}) == said


def all_steps_are_right(name: str) -> None:
    """`lppack test`: the defect before, none when the fix is in effect, and the defect after."""
    ran = lppack("test", FIXES / name, "--kernel", OLD, "--format", "json", limit=600.0)
    assert ran.rc == 0, ran.err
    steps = {step["step"]: step for step in ran.json["steps"]}
    assert {"before", "patched", "reverted", "unloaded"} <= steps.keys()
    assert all(steps[step]["checks"] for step in ("before", "reverted", "unloaded"))


@pytest.mark.parametrize("name", HERE)
def test_a_fix_comes_and_goes(name: str) -> None:
    all_steps_are_right(name)
