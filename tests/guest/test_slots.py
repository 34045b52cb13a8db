# SPDX-License-Identifier: MIT
"""A module whose own symbols the patch uses, and those of one that it needs: it comes and goes, and
is refused and taken, on Debian 12's kernel, which leaves relocations where they are, and on Debian
13's, which clears them."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.engines.kernel import KernelEngines
from lppack.errors import ApplyRefused
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Bundle, Kernel
from lppack.stages.apply import Control, apply
from lppack.stages.bundle import extract
from lppack.stages.inspect import inspect
from lppack.stages.revert import revert

pytestmark = pytest.mark.guest

PATCH = Path(__file__).parent / "patches/slots"
OLD, NEW = "old 140 240 60", "new 111 212 31 counter 40 quiet shown"
#: Modules that lack a replaced function, and a symbol that is used: its name is another one there.
LACKED = {
    "no_function": (b"victim_show", b"victim_shaw"),
    "no_symbol": (b"dup_helper", b"dup_halper"),
}
SAID = {
    "livepatch": "livepatch: symbol '{}' not found in symbol table",
    "consistency": "lppack_engine: {} is not in victim",
}
PANIC = "/proc/sys/kernel/panic"


class Victim:
    """A guest, the patch for its kernel, and the module that is patched."""

    def __init__(self, host: GuestHost, bundle: Bundle, files: Path, kernel: Kernel) -> None:
        self.host = host
        self.kernel = kernel
        self.bundle = bundle
        self.control = Control(engine=KernelEngines(host, bundle.engine), host=host, timeout=60.0)
        self.ko = files / f"{bundle.module}.ko"
        target = files / "test/targets/victim.ko"
        host.put(target, "/tmp/victim.ko", mode=0o600)
        host.put(files / "test/targets/base.ko", "/tmp/base.ko", mode=0o600)
        for name, (had, has) in LACKED.items():
            lacking = files / f"{name}.ko"
            lacking.write_bytes(target.read_bytes().replace(had + b"\0", has + b"\0"))
            host.put(lacking, f"/tmp/{name}.ko", mode=0o600)

    def sh(self, command: str) -> int:
        return self.host.run(["/bin/sh", "-c", command], limit=20.0).rc

    def load(self, name: str = "victim") -> bool:
        """With what it depends on, where that is not there yet."""
        self.sh("insmod /tmp/base.ko 2> /dev/null")
        return self.sh(f"insmod /tmp/{name}.ko 2> /dev/null") == 0

    def remove(self) -> bool:
        """With what it depends on, which may be elsewhere the next time."""
        return self.sh("rmmod victim && rmmod base") == 0

    def shows(self) -> str:
        return self.host.read("/proc/victim").strip()

    def log(self) -> list[str]:
        return self.host.run(["dmesg"], limit=20.0).out.splitlines()

    def complaints(self) -> list[str]:
        """What the kernel says where relocations are not as it wants them."""
        return [line for line in self.log() if "elocation target" in line]

    def apply(self) -> None:
        apply(self.control, self.bundle, self.ko)

    def revert(self) -> None:
        revert(self.control, "slots")

    def clean_up(self) -> None:
        self.host.write(PANIC, "0")
        if self.control.engine.patches():
            self.revert()
        self.sh("rmmod victim base 2> /dev/null")


@pytest.fixture(scope="module", params=[releases_of(), releases_of("6.12")])
def booted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Kernel, GuestHost]]:
    kernel = resolve(None, (request.param,))
    folder = tmp_path_factory.mktemp("slots")
    initramfs = pipeline.initramfs_for(kernel, "docker")
    with boot(kernel, work=folder / "g", initramfs=initramfs) as host:
        yield kernel, host


@pytest.fixture(scope="module", params=["livepatch hybrid", "consistency kpatch"])
def victims(
    request: pytest.FixtureRequest,
    booted: tuple[Kernel, GuestHost],
    tmp_path_factory: pytest.TempPathFactory,
) -> Victim:
    kernel, host = booted
    folder = tmp_path_factory.mktemp("slots")
    engine, mode = str(request.param).split()
    plan = pipeline.make_plan(PATCH, kernel=kernel.release, engine=engine, mode=mode)
    made = pipeline.make_bundle(plan, folder, builder="docker", on_line=lambda _line: None)
    extract(made.path, folder / "files")
    return Victim(host, made.bundle, folder / "files", kernel)


@pytest.fixture
def victim(victims: Victim) -> Iterator[Victim]:
    yield victims
    victims.clean_up()
    assert victims.host.faults() == ()


def test_the_module_is_there_first(victim: Victim) -> None:
    assert victim.load()
    assert victim.shows() == OLD
    victim.apply()
    assert victim.shows().startswith(NEW)
    assert victim.host.read("/proc/cmdline").startswith("new ")
    victim.revert()
    assert victim.shows() == OLD


def test_the_module_comes_later_goes_and_comes_three_times(victim: Victim) -> None:
    victim.apply()
    for _ in range(3):
        assert victim.load()
        assert victim.shows().startswith(NEW)
        assert victim.shows().endswith(" base 2 1")
        assert victim.sh("rmmod base 2> /dev/null") != 0
        assert victim.remove()
    assert victim.complaints() == []
    assert victim.load()
    victim.revert()
    assert victim.shows() == OLD
    victim.apply()
    assert victim.shows().startswith(NEW)


def test_a_module_that_pre_patch_refuses_is_taken_the_next_time(victim: Victim) -> None:
    victim.apply()
    for _ in range(2):
        victim.host.write(PANIC, "4242")
        assert not victim.load()
        victim.host.write(PANIC, "0")
        assert victim.load()
        assert victim.shows().startswith(NEW)
        assert victim.remove()
    assert victim.complaints() == []


def test_a_patch_that_pre_patch_refuses_leaves_the_module_as_it_was(victim: Victim) -> None:
    assert victim.load()
    victim.host.write(PANIC, "4242")
    with pytest.raises(ApplyRefused):
        victim.apply()
    assert victim.shows() == OLD
    victim.host.write(PANIC, "0")
    victim.apply()
    assert victim.shows().startswith(NEW)


@pytest.mark.parametrize("lacking", LACKED)
def test_a_module_that_lacks_something_is_refused_and_nothing_is_written(
    victim: Victim, lacking: str
) -> None:
    victim.apply()
    assert not victim.load(lacking)
    said = SAID[victim.bundle.engine].format(LACKED[lacking][0].decode())
    assert any(said in line for line in victim.log())
    assert victim.load()
    assert victim.shows().startswith(NEW)
    assert victim.complaints() == []


def test_keys_tracepoints_and_messages(victim: Victim) -> None:
    assert victim.load()
    victim.apply()
    victim.host.write("/sys/module/victim/parameters/loud", "1")
    assert " loud " in victim.shows()
    tracing = "/sys/kernel/tracing"
    victim.sh(f"mount -t tracefs none {tracing} 2> /dev/null")
    victim.host.write(f"{tracing}/events/victim/victim_shown/enable", "1")
    victim.shows()
    assert "victim_shown: number 40" in victim.host.read(f"{tracing}/trace")
    victim.host.write(f"{tracing}/events/victim/victim_shown/enable", "0")
    control = "/proc/dynamic_debug/control"
    victim.host.write(control, f"module {victim.bundle.module} +p")
    victim.shows()
    end = time.monotonic() + 10
    while not any(line.endswith("] shown") for line in victim.log()):
        assert time.monotonic() < end


def test_inspect_finds_nothing_wrong_and_sees_what_is(victims: Victim, tmp_path: Path) -> None:
    assert inspect(victims.bundle.path, victims.kernel).faults == ()
    wrong = tmp_path / "wrong.ko"
    ko = victims.ko.read_bytes()
    wrong.write_bytes(ko.replace(b"saved_command_line,0", b"saved_command_lime,0"))
    assert inspect(wrong).faults == ()
    (fault,) = inspect(wrong, victims.kernel).faults
    assert "saved_command_lime,0: vmlinux of" in fault
