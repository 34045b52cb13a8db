# SPDX-License-Identifier: MIT
"""Twenty fixes that nobody chose: how many draft, build, load and go again; by hand: invoke soak
seeded."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lppack import pipeline
from lppack.csource.items import Unit
from lppack.csource.parse import parse
from lppack.engines.livepatch import Livepatch
from lppack.hosts.guest import GuestHost, boot
from lppack.hosts.initramfs import modules_in_order
from lppack.model import Kernel
from lppack.packages.kernels import resolve
from lppack.packages.linux_source import package_at, source_file, unpack_folders
from lppack.stages.apply import Control, apply, undo
from lppack.stages.bundle import extract
from tests.command import lppack
from tests.guest.conftest import PATTERNS
from tests.guest.fixes import OLD
from tests.soak import seeded
from tests.soak.page import write_table
from tests.soak.same import differences, item_text

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
    """The pool, from which the seed draws without looking: C files that differ between the two
    versions in one function and in nothing else (comments and blanks do not count), of whose fix
    Debian's changelog tells, and of which 6.1.0-47-amd64 has code, in vmlinux or in a module. arch,
    tools, samples, scripts and drivers/staging are left out (seeded.py). What cannot be traced,
    what is __init and what needs something else that is new is not left out: draft has to say so.
    """
    from lppack.kernel.facts import open_facts

    with open_facts(old_kernel, deep=lambda _line: None) as facts:
        drawn = seeded.draw(old_kernel, resolve(None, PATTERNS), facts, COUNT)
    folders = sorted({one.path.rpartition("/")[0] for one in drawn})
    for version in (seeded.OLD, seeded.NEW):
        unpack_folders(package_at(version), folders)
    rows = []
    for number, one in enumerate(drawn):
        said = drafted(one, tmp_path / f"fix-{number}", old_kernel, old_guest)
        rows.append((f"`{one.object}`", f"`{one.function}`", one.subject, said))
        sys.stderr.write(f"\n  {one.object:<16} {one.function:<36} {said}\n    {one.subject}")
    assert len(rows) == COUNT
    assert old_guest.faults() == ()
    live = sum(said == LIVE for *_, said in rows)
    last = f"{live} of {COUNT} live, by seed {seeded.SEED}."
    write_table("twenty", ("object", "function", "fix", "draft"), rows, last)
    assert not [row for row in rows if WRONG in row[-1]]
    assert live >= LEAST


#: What others ask for by a name of the crypto API, which is in no `depends` (libcrc32c).
ASKED_FOR = ("crc32c_generic",)
LIVE, WRONG = "live", "built, and wrong"


def drafted(one: seeded.Seeded, folder: Path, kernel: Kernel, guest: GuestHost) -> str:
    """What became of it."""
    ran = lppack(
        *("draft", "--between", seeded.OLD, seeded.NEW, "--path", one.path),
        *("--function", one.function, "--kernel", OLD, "-o", folder, "--format", "json"),
        limit=1800.0,
    )
    if ran.rc != 0:
        return f"refused: {ran.json['error']['message'].splitlines()[-1].strip()}"
    if not ran.json["built"]:
        found = [ran.json["why"].splitlines()[0].replace(f"{folder}/", "")]
        found += [f"{no['what']}: {no['why']}" for no in ran.json["cannot"]]
        return f"not built: {'; '.join(found)}"
    if wrong := list(differences(folder, one.function, *sources(one), borrowed(one, ran.json))):
        return f"{WRONG}: {'; '.join(wrong)}"
    made = pipeline.make_bundle(
        pipeline.make_plan(folder, kernel=OLD), folder, builder="docker", on_line=lambda _line: None
    )
    extract(made.path, folder / "files")
    if one.object != "vmlinux":
        for file in modules_in_order(kernel, (*ASKED_FOR, one.object)):
            guest.put(file, f"/tmp/{file.name}")
            done = guest.run(["/bin/sh", "-c", f"insmod /tmp/{file.name} 2>&1"], limit=120.0)
    control = Control(engine=Livepatch(guest), host=guest, timeout=60.0)
    apply(control, made.bundle, folder / f"files/{made.bundle.module}.ko")
    undo(control, made.bundle.module)
    if one.object != "vmlinux" and one.object not in guest.read("/proc/modules").split():
        return f"built and loaded, and its module is not there: {done.out.strip()}"
    return LIVE


def sources(one: seeded.Seeded) -> tuple[Unit, Unit]:
    """The file before the fix, and with it."""
    old, new = (read(version, one.path) for version in (seeded.OLD, seeded.NEW))
    return parse(one.path, old), parse(one.path, new)


def borrowed(one: seeded.Seeded, said: dict[str, Any]) -> dict[str, str]:
    """What draft says that it took from elsewhere, as it stands there."""
    found = {}
    for line in said["decide"]:
        if match := re.fullmatch(r"(\w+) is that of (\S+) of the later version", line):
            name, path = match.groups()
            found[name] = item_text(parse(path, read(seeded.NEW, path)), name)
    makefile = read(seeded.OLD, f"{one.path.rpartition('/')[0]}/Makefile")
    return found | {n: f"#define {n} 1" for n in re.findall(r"\s-D(\w+)(?=\s)", makefile)}


def read(version: str, path: str) -> str:
    text = source_file(package_at(version), path)
    return text.decode("latin-1") if text is not None else ""
