# SPDX-License-Identifier: MIT
"""How QEMU is called, and with what it runs."""

import os
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lppack.errors import EnvironmentMissing
from lppack.hosts import qemu
from tests.kit import fake_image
from tests.kit.samples import kernel


def test_qemu_gets_relative_names_and_absolute_inputs() -> None:
    machine = qemu.QemuMachine(
        image=Path("/k/vmlinuz"),
        initramfs=Path("/k/initramfs"),
        accelerator=qemu.Accelerator.TCG,
        memory_mb=300,
        cmdline=("quiet",),
    )
    argv = machine.argv()
    pairs = dict(zip(argv, argv[1:], strict=False))
    assert pairs["-kernel"] == "/k/vmlinuz"
    assert pairs["-initrd"] == "/k/initramfs"
    assert pairs["-m"] == "300"
    assert pairs["-append"] == "console=ttyS0 panic=-1 no_timer_check quiet"
    assert pairs["-serial"] == "file:console.log"
    assert "-no-reboot" in argv


@pytest.mark.parametrize(
    ("version", "threads"),
    [
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\n", "single"),
        ("QEMU emulator version 8.0.5\n", "single"),
        ("QEMU emulator version 8.1.0\n", "multi"),
        ("QEMU emulator version 10.0.2\n", "multi"),
        ("something else\n", "single"),
    ],
)
def test_processors_have_a_thread_each_where_that_is_sound(version: str, threads: str) -> None:
    assert qemu.emulated(version).options[1] == f"tcg,thread={threads}"


def test_without_qemu_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EnvironmentMissing) as caught:
        qemu.accelerator(kernel())
    assert caught.value.hint == "run: lppack doctor --fix"


def machine(**more: Any) -> qemu.QemuMachine:
    values = {
        "image": Path("/k/vmlinuz"),
        "initramfs": Path("/k/initramfs"),
        "accelerator": qemu.Accelerator.TCG,
        **more,
    }
    return qemu.QemuMachine(**values)


def option(argv: Sequence[str], name: str) -> list[str]:
    return [value for key, value in pairwise(argv) if key == name]


def test_a_disk_is_one_file_whatever_it_is_called() -> None:
    """QEMU takes what follows a comma for another option."""
    argv = machine(disk=Path("/a,if=none,b/disk.img")).argv()
    assert option(argv, "-drive") == ["file=/a,,if=none,,b/disk.img,format=raw,if=virtio"]
    assert option(machine().argv(), "-drive") == []


def test_a_clock_of_instructions() -> None:
    assert option(machine().argv(), "-icount") == []
    assert option(machine(counted=True).argv(), "-icount") == ["shift=0"]
    assert option(machine(counted=True, skips=True).argv(), "-icount") == ["shift=0,sleep=off"]


def test_paths_of_the_guests_folder_are_relative() -> None:
    """The path of a Unix socket may have 107 bytes only."""
    argv = machine().argv()
    assert option(argv, "-chardev") == ["socket,id=agent,path=agent.sock,server=on,wait=off"]
    assert option(argv, "-serial") == ["file:console.log"]


@pytest.mark.parametrize(
    ("config", "chosen", "unpacks"),
    [
        ("CONFIG_PVH=y\n", qemu.Accelerator.TCG, True),
        ("CONFIG_PVH=y\n", qemu.Accelerator.TCG_ONE_THREAD, True),
        ("CONFIG_PVH=y\n", qemu.Accelerator.KVM, False),
        ("CONFIG_PVH=y\nCONFIG_KASAN=y\n", qemu.Accelerator.TCG, False),
        ("# CONFIG_PVH is not set\n", qemu.Accelerator.TCG, False),
    ],
)
def test_the_image_is_unpacked_where_that_is_quicker(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    config: str,
    chosen: qemu.Accelerator,
    unpacks: bool,
) -> None:
    at = kernel(tmp_path)
    at.config.parent.mkdir(parents=True)
    at.config.write_text(config)
    inner = fake_image.vmlinux()
    fake_image.write_image(at.image, inner)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = qemu.image_for(at, chosen)
    assert (found != at.image) is unpacks
    assert not unpacks or found.read_bytes() == inner


def test_a_counted_machine_has_one_processor(tmp_path: Path) -> None:
    at = kernel(tmp_path)
    at.config.parent.mkdir(parents=True)
    at.config.write_text("CONFIG_SMP=y\n")
    made = qemu.machine(at, Path("/i"), skips=True, cmdline=["quiet"])
    assert (made.cpus, made.counted, made.skips) == (1, True, True)
    assert made.accelerator is qemu.Accelerator.TCG_ONE_THREAD
    assert made.cmdline == ("quiet",)


def test_the_command_is_kept_as_it_can_be_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what QEMU says before it ends is in the folder."""
    programs, folder = tmp_path / "bin", tmp_path / "it's a guest"
    programs.mkdir()
    folder.mkdir()
    (programs / qemu.PROGRAM).write_text('#!/bin/sh\necho "in $PWD"; echo "$1" >&2; exit 3\n')
    (programs / qemu.PROGRAM).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    child = qemu.launch(machine(), folder)
    assert child.wait(timeout=30) == 3
    assert (folder / qemu.LOG).read_text() == f"in {folder}\n-nodefaults\n"
    again = subprocess.run(["sh", folder / qemu.COMMAND], capture_output=True, text=True)
    assert (again.returncode, again.stdout) == (3, f"in {folder}\n")
    with pytest.raises(EnvironmentMissing, match="QEMU did not start") as caught:
        qemu.daemonize(machine(), folder)
    assert "-nodefaults" in caught.value.message, "with what it said"
