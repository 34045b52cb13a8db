# SPDX-License-Identifier: MIT
"""Twenty fixes that nobody chose: how many draft, build, load and go again; by hand: invoke soak
seeded."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.engines.livepatch import Livepatch
from lppack.hosts.guest import GuestHost, boot
from lppack.hosts.initramfs import modules_in_order
from lppack.model import Kernel
from lppack.packages.kernels import resolve
from lppack.packages.linux_source import unpack_folders
from lppack.stages.apply import Control, apply, undo
from lppack.stages.bundle import extract
from tests.command import lppack
from tests.guest.conftest import PATTERNS
from tests.guest.fixes import OLD
from tests.soak import seeded

COUNT, LEAST = 20, 12

pytestmark = pytest.mark.guest


@pytest.fixture
def old_kernel() -> Kernel:
    return resolve(OLD, PATTERNS)


@pytest.fixture
def old_guest(old_kernel: Kernel, tmp_path: Path) -> Iterator[GuestHost]:
    initramfs = pipeline.initramfs_for(old_kernel, "docker")
    with boot(old_kernel, work=tmp_path / "g", initramfs=initramfs) as host:
        yield host


def test_twenty_fixes_by_a_seed(old_kernel: Kernel, old_guest: GuestHost, tmp_path: Path) -> None:
    from lppack.kernel.facts import open_facts

    with open_facts(old_kernel, deep=lambda _line: None) as facts:
        drawn = seeded.draw(old_kernel, resolve(None, PATTERNS), facts, COUNT)
    folders = sorted({one.path.rpartition("/")[0] for one in drawn})
    for version in (seeded.OLD, seeded.NEW):
        unpack_folders(f"linux-source-6.1 {version}", folders)
    rows = []
    for number, one in enumerate(drawn):
        said = drafted(one, tmp_path / f"fix-{number}", old_kernel, old_guest)
        rows.append((one, said))
        sys.stderr.write(f"\n  {one.object:<16} {one.function:<36} {said}\n    {one.subject}")
    sys.stderr.write(f"\n  seed {seeded.SEED}\n")
    assert len(rows) == COUNT
    assert old_guest.faults() == ()
    assert sum(said == LIVE for _, said in rows) >= LEAST


LIVE = "drafted, built, loaded and gone again"


def drafted(one: seeded.Seeded, folder: Path, kernel: Kernel, guest: GuestHost) -> str:
    """What became of it."""
    ran = lppack(
        *("draft", "--between", seeded.OLD, seeded.NEW, "--path", one.path),
        *("--function", one.function, "--kernel", OLD, "-o", folder, "--format", "json"),
        limit=900.0,
    )
    if ran.rc != 0:
        return f"refused: {ran.json['error']['message'].splitlines()[-1].strip()}"
    if not ran.json["built"]:
        return f"not built: {ran.json['why'].splitlines()[0]}"
    made = pipeline.make_bundle(
        pipeline.make_plan(folder, kernel=OLD), folder, builder="docker", on_line=lambda _line: None
    )
    extract(made.path, folder / "files")
    if one.object != "vmlinux":
        for file in modules_in_order(kernel, (one.object,)):
            guest.put(file, f"/tmp/{file.name}")
            guest.run(["insmod", f"/tmp/{file.name}"], limit=60.0)
    control = Control(engine=Livepatch(guest), host=guest, timeout=60.0)
    apply(control, made.bundle, folder / f"files/{made.bundle.module}.ko")
    undo(control, made.bundle.module)
    return LIVE
