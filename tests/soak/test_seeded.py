# SPDX-License-Identifier: MIT
"""A hundred fixes that nobody chose: how many are drafted, built, proved and loaded, and why the
others are not; by hand: invoke soak seeded."""

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
from lppack.stages.apply import Control, apply, undo
from lppack.stages.bundle import extract
from tests.command import lppack
from tests.guest.conftest import PATTERNS
from tests.guest.fixes import OLD
from tests.soak import seeded
from tests.soak.page import write_table

COUNT, LEAST = 100, 70

pytestmark = pytest.mark.guest


@pytest.fixture
def old_kernel() -> Kernel:
    return resolve(OLD, PATTERNS)


@pytest.fixture
def old_guest(old_kernel: Kernel, tmp_path: Path) -> Iterator[GuestHost]:
    initramfs = pipeline.initramfs_for(old_kernel, "docker")
    with boot(old_kernel, work=tmp_path / "g", initramfs=initramfs) as host:
        yield host


def test_a_hundred_fixes_by_a_seed(
    old_kernel: Kernel, old_guest: GuestHost, tmp_path: Path
) -> None:
    """The pool: C files that differ between the two versions, that 6.1.0-47-amd64 is built with,
    that compile with the later version's text and this version's everything else, and whose object
    code differs then. Nothing is asked of how many functions differ, or which."""
    rows = []
    for number, path in enumerate(seeded.draw(old_kernel, COUNT)):
        said = drafted(path, tmp_path / f"fix-{number}", old_kernel, old_guest)
        rows.append((path, *said))
        sys.stderr.write(f"\n  {path:<56} {' | '.join(said)}")
    assert old_guest.faults() == ()
    live = sum(said == LIVE for *_, said in rows)
    last = f"{live} of {len(rows)} carried completely, proved and loaded, by seed {seeded.SEED}."
    write_table("hundred", ("file", "functions", "draft"), rows, last)
    assert len(rows) == COUNT
    assert live >= LEAST


#: What others request by a name of the crypto API, not by `depends`: libcrc32c needs crc32c, and
#: the self test of ecdh_generic a random number generator, without which it WARNs.
ASKED_FOR = ("crc32c_generic", "sha512_generic", "ctr", "jitterentropy_rng", "drbg")
LIVE = "proved, live"


def drafted(path: str, folder: Path, kernel: Kernel, guest: GuestHost) -> tuple[str, str]:
    """How many functions were replaced, and what became of it."""
    diff = seeded.diff_of(path, folder.parent)
    words = ("--kernel", OLD, "-o", folder, "--format", "json")
    ran = lppack("draft", diff, *words, limit=1800.0)
    objects = ran.json.get("objects", ())
    count = str(sum(len(entry["functions"]) for entry in objects))
    if ran.rc != 0:
        lines = [f"{line['what']}: {line['why']}" for line in ran.json.get("left_out", ())]
        left = list(dict.fromkeys(lines))
        why = (ran.json.get("why") or "").partition("\n")[0].replace(f"{folder}/", "")
        return count, "; ".join([*left[:3], *([f"not built: {why}"] if why else [])])
    made = pipeline.make_bundle(
        pipeline.make_plan(folder, kernel=OLD), folder, builder="docker", on_line=lambda _line: None
    )
    extract(made.path, folder / "files")
    names = [entry["name"] for entry in objects if entry["name"] != "vmlinux"]
    for name in names:
        for file in modules_in_order(kernel, (*ASKED_FOR, name)):
            guest.put(file, f"/tmp/{file.name}")
            guest.run(["/bin/sh", "-c", f"insmod /tmp/{file.name} 2>&1"], limit=120.0)
    control = Control(engine=Livepatch(guest), host=guest, timeout=60.0)
    apply(control, made.bundle, folder / f"files/{made.bundle.module}.ko")
    undo(control, made.bundle.module)
    loaded = guest.read("/proc/modules").split()
    absent = [name for name in names if name not in loaded]
    if absent:
        return count, f"proved and loaded; {', '.join(absent)} does not load here"
    return count, LIVE
