# SPDX-License-Identifier: MIT
"""The debug kernel sees each of these faults. A guest of its own: it is not sound afterwards."""

import shutil
from pathlib import Path

from lppack.builders.container import ContainerBuilder
from lppack.builders.protocol import kbuild_argv
from lppack.model import Kernel
from tests.kit.command import ROOT
from tests.kit.debug_checks import boot_checked, complaints

#: In this order in one boot: what comes after the first report of lockdep or KASAN is not seen by
#: lockdep any more.
FAULTS = {
    "rcu": "WARNING: suspicious RCU usage",
    "list": "list_add double add",
    "abba": "WARNING: possible circular locking dependency detected",
    "uaf": "BUG: KASAN: use-after-free in uaf",
    "atomic": "BUG: scheduling while atomic",
}


def test_each_fault_is_reported(kernel: Kernel, initramfs: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests/debug/controls", tmp_path / "m")
    with ContainerBuilder().open(tmp_path, kernel) as site:
        done = site.run([*kbuild_argv(site, kernel, "m"), "modules"], limit=300.0)
    assert done.ok, done.summary(tail=20)
    with boot_checked(kernel, work=tmp_path / "g", initramfs=initramfs) as host:
        host.put(tmp_path / "m/controls.ko", "/tmp/controls.ko")
        assert complaints(host) == ()
        for count, (fault, wanted) in enumerate(FAULTS.items(), start=1):
            host.run(["insmod", "/tmp/controls.ko", f"fault={fault}"], limit=60.0)
            console = host.console.read_text(errors="replace")
            assert wanted in console, fault
            assert len([one for one in complaints(host) if one != "lockdep is off"]) >= count
        assert "lockdep is off" in complaints(host), "or nobody would know that it is"
