# SPDX-License-Identifier: MIT
"""QEMU: its command line, whether it can use KVM here, and its start."""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lppack import proc, store
from lppack.errors import EnvironmentMissing
from lppack.kernel.config import read_config
from lppack.kernel.image import unpacked
from lppack.model import Kernel

PROGRAM = "qemu-system-x86_64"

# Names in the guest's folder. QEMU runs in that folder and gets relative paths, because the path of
# a Unix socket has at most 107 bytes (unix(7)); see also guest.py.
CONSOLE = "console.log"
SOCKET = "agent.sock"
LOG = "qemu.log"
COMMAND = "qemu.sh"
# no_timer_check: on a busy host the emulator may stop for longer than timer_irq_works() waits for
# ticks, and the kernel would panic (v6.1, arch/x86/kernel/apic/io_apic.c).
_WORDS = ("console=ttyS0", "panic=-1", "no_timer_check")
PIDFILE = "qemu.pid"

KVM = Path("/dev/kvm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


# Since commit deba78709ae8 ("accel/tcg: Always lock pages before translation") (in v8.1), vCPU
# threads do not race when one writes code that another one translates. Before that, a function that
# runs while ftrace hooks it could trap for ever at its first instruction: QEMU 7.2 had soft lockups
# of both processors in the victim of tests/loads.
_SOUND_THREADS = (8, 1)


class Accelerator(StrEnum):
    KVM = "kvm"
    TCG = "tcg,thread=multi"
    TCG_ONE_THREAD = "tcg,thread=single"

    @property
    def options(self) -> tuple[str, ...]:
        return ("-accel", self.value, "-cpu", "host" if self is Accelerator.KVM else "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuMachine:
    """A virtual machine for QEMU."""

    image: Path  # see image_for()
    initramfs: Path
    accelerator: Accelerator
    memory_mb: int = 512
    cpus: int = 2
    counted: bool = False  # the clock counts instructions: 1 ns for each
    disk: Path | None = None  # /dev/vda, raw; None: all data is lost at the end
    skips: bool = False  # counted, and the clock skips times in which all threads sleep
    cmdline: tuple[str, ...] = ()

    def argv(self) -> tuple[str, ...]:
        """Return the command line, to be run in the guest's folder."""
        return (
            *_base(self.accelerator, self.image, memory_mb=self.memory_mb, cpus=self.cpus),
            *("-initrd", str(self.initramfs.absolute())),
            *("-append", " ".join((*_WORDS, *self.cmdline))),
            *("-serial", f"file:{CONSOLE}"),
            *(("-icount", "shift=0" + ",sleep=off" * self.skips) if self.counted else ()),
            *(("-drive", f"{_file(self.disk)},format=raw,if=virtio") if self.disk else ()),
            *("-device", "virtio-serial-pci"),
            *("-chardev", f"socket,id=agent,path={SOCKET},server=on,wait=off"),
            *("-device", "virtserialport,chardev=agent,name=lppack.0"),
        )


def _file(path: Path) -> str:
    """Return a path for an option of QEMU, with commas doubled, because a comma separates
    options."""
    return "file=" + str(path).replace(",", ",,")


def _base(accelerator: Accelerator, image: Path, *, memory_mb: int, cpus: int) -> tuple[str, ...]:
    return (
        *(PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-M", "pc", *accelerator.options, "-smp", str(cpus), "-m", str(memory_mb)),
        *("-kernel", str(image.absolute())),
    )


def require() -> None:
    """Raise EnvironmentMissing if QEMU is not installed."""
    if not shutil.which(PROGRAM):
        raise EnvironmentMissing(
            f"program {PROGRAM!r} was not found", hint="run: lppack doctor --fix"
        )


def accelerator(kernel: Kernel) -> Accelerator:
    """Return KVM if it works with ``kernel``, else TCG; tested once per boot of this machine."""
    require()
    version = proc.run([PROGRAM, "--version"], limit=20).out
    tcg = emulated(version)
    if not os.access(KVM, os.R_OK | os.W_OK):
        return tcg
    key = hashlib.sha256(f"{BOOT_ID.read_text()}{version}".encode()).hexdigest()[:16]
    answer = store.cache_dir() / f"kvm-{key}.json"
    if not answer.is_file():
        works = probe_kvm(kernel)
        store.write_atomic(answer, json.dumps({"kvm": works}).encode())
    return Accelerator.KVM if json.loads(answer.read_text())["kvm"] else tcg


def emulated(version: str) -> Accelerator:
    """Return TCG, with a thread for each processor if this QEMU supports it without faults.

    ``version``: for example "QEMU emulator version 7.2.22 ...".
    """
    found = re.search(r"version (\d+)\.(\d+)", version)
    sound = found is not None and (int(found[1]), int(found[2])) >= _SOUND_THREADS
    return Accelerator.TCG if sound else Accelerator.TCG_ONE_THREAD


def probe_kvm(kernel: Kernel, *, limit: float = 10.0) -> bool:
    """Boot ``kernel`` under KVM without a root; return True if it reaches the expected panic.

    It is not enough that /dev/kvm exists: nested KVM may run a few instructions and hang.
    """
    with tempfile.TemporaryDirectory(prefix="lppack-") as folder:
        done = proc.run(
            [
                *_base(Accelerator.KVM, kernel.image, memory_mb=256, cpus=1),
                *("-append", "console=ttyS0 panic=-1", "-serial", f"file:{CONSOLE}"),
            ],
            limit=limit,
            cwd=Path(folder),
        )
        console = Path(folder, CONSOLE)
        text = console.read_text(errors="replace") if console.is_file() else ""
    # init/do_mounts.c: mount_block_root()
    return done.ok and "VFS: Unable to mount root fs" in text


def machine(
    kernel: Kernel,
    initramfs: Path,
    *,
    cmdline: Sequence[str] = (),
    memory_mb: int = 512,
    counted: bool = False,
    skips: bool = False,
    disk: Path | None = None,
) -> QemuMachine:
    """Return the fastest machine for ``kernel`` that works here.

    With ``counted``, it has one processor, whose clock counts instructions. With ``skips``, its
    clock skips times in which all threads sleep, so that minutes of sleep take seconds.
    """
    counted |= skips
    chosen = Accelerator.TCG_ONE_THREAD if counted else accelerator(kernel)
    return QemuMachine(
        image=image_for(kernel, chosen),
        initramfs=initramfs,
        accelerator=chosen,
        memory_mb=memory_mb,
        cpus=1 if counted else 2,
        counted=counted,
        skips=skips,
        disk=disk,
        cmdline=tuple(cmdline),
    )


def image_for(kernel: Kernel, accelerator: Accelerator) -> Path:
    """Return the file that QEMU loads: the vmlinuz, or the vmlinux in it if that is faster.

    Under TCG the firmware and the kernel's own decompressor take five of eight seconds of a boot.
    QEMU starts a vmlinux that has a PVH entry (hw/i386/x86.c: load_elfboot(); CONFIG_PVH,
    arch/x86/platform/pvh/head.S) without either. KASLR does not move such a kernel.
    """
    config = read_config(kernel.config)
    # The PVH entry is C code (arch/x86/platform/pvh/enlighten.c, v6.1) that KASAN instruments. It
    # would read the shadow memory before it exists.
    if accelerator is Accelerator.KVM or not config.is_on("PVH") or config.is_on("KASAN"):
        return kernel.image
    return unpacked(kernel)


def launch(machine: QemuMachine, folder: Path) -> subprocess.Popen[bytes]:
    """Start QEMU in ``folder`` as the leader of a process group that dies with this thread.

    setpriv (util-linux, essential in Debian) sets PR_SET_PDEATHSIG and becomes QEMU: no code runs
    between fork and exec in a process that may have threads. The signal is sent at the end of the
    *thread* that called (prctl(2)). QEMU's own ``-run-with exit-with-parent=on`` is newer than the
    QEMU of Debian 12.
    """
    require()
    argv = ("setpriv", "--pdeathsig", "KILL", *machine.argv())
    _keep_command(machine, folder)
    proc.log("%s: started", proc.shown(argv))
    with (folder / LOG).open("wb") as log:
        try:
            return subprocess.Popen(
                argv,
                cwd=folder,
                env=proc.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise EnvironmentMissing(
                "program 'setpriv' was not found", hint="run: lppack doctor --fix"
            ) from error


def daemonize(machine: QemuMachine, folder: Path) -> int:
    """Start QEMU in ``folder`` in its own session, to run after this command; return its pid."""
    require()
    _keep_command(machine, folder)
    argv: Sequence[str] = (*machine.argv(), "-daemonize", "-pidfile", PIDFILE)
    done = proc.run(argv, limit=30, cwd=folder)
    if not done.ok:
        raise EnvironmentMissing(f"QEMU did not start\n{done.summary()}")
    return int((folder / PIDFILE).read_text())


def _keep_command(machine: QemuMachine, folder: Path) -> None:
    store.journal("guest", str(folder))
    lines = (
        "#!/bin/sh",
        f"cd {shlex.quote(str(folder.absolute()))} &&",
        f"exec {shlex.join(machine.argv())}",
    )
    (folder / COMMAND).write_text("\n".join(lines) + "\n")
