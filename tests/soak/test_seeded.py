# SPDX-License-Identifier: MIT
"""A hundred fixes that nobody chose: how many are drafted, built, proved and loaded, why the others
are not, and whether two kernel packages agree; by hand: invoke soak seeded."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.debian.kernels import resolve
from lppack.engines.livepatch import Livepatch
from lppack.hosts.guest import GuestHost, boot
from lppack.hosts.initramfs import modules_in_order
from lppack.model import Kernel
from lppack.stages.apply import Control, apply, undo
from lppack.stages.bundle import extract
from tests.kit.command import lppack
from tests.kit.fixes import OLD
from tests.kit.guest import PATTERNS
from tests.soak import seeded
from tests.soak.oracle import Package, base, differing
from tests.soak.page import write_table

COUNT, LEAST = 100, 70
NEW = "6.1.0-56-amd64"  # 6.1.192-2

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
    drafts = []
    for number, path in enumerate(seeded.draw(old_kernel, COUNT)):
        drafts.append(drafted(path, tmp_path / f"fix-{number}", old_kernel, old_guest))
        sys.stderr.write(f"\n  {path:<56} {len(drafts[-1].replaced)} | {drafts[-1].said}")
    faults = old_guest.faults()
    opinions = the_packages_say([one for one in drafts if one.proved], old_kernel)
    rows = [
        (one.path, str(len(one.replaced)), one.said, opinions[one.path].said if one.proved else "")
        for one in drafts
    ]
    live = sum(one.said == LIVE for one in drafts)
    differ = sum(len(one.differ) for one in opinions.values())
    included = sum(len(one.included) for one in opinions.values())
    missed = {path: one.missed for path, one in opinions.items() if one.missed}
    last = (
        f"{live} of {len(rows)} carried completely, proved and loaded, by seed {seeded.SEED}. "
        f"In the files of the {len(opinions)} that are proved, {differ} functions differ between "
        f"the two packages; {included} of them because of what their files include, and "
        f"{sum(map(len, missed.values()))} of the others are not covered by the live patch."
    )
    write_table("hundred", ("file", "replaced", "draft", "differ"), rows, last)
    assert faults == ()
    assert missed == {}
    assert len(rows) == COUNT
    assert live >= LEAST


@dataclass(frozen=True)
class Opinion:
    """What two kernel packages say of one file's functions."""

    differ: frozenset[str]
    included: frozenset[str]  # that differ because of what the file includes
    missed: frozenset[str]  # that differ because of the file, and no draft covers them

    @property
    def said(self) -> str:
        included = (
            f", of which {len(self.included)} because of included files" if self.included else ""
        )
        missed = f"; MISSED: {', '.join(sorted(self.missed))}" if self.missed else ""
        return f"{len(self.differ)}{included}{missed}"


def the_packages_say(drafts: list["Draft"], old_kernel: Kernel) -> dict[str, Opinion]:
    """Compare the functions of each draft's file in the two packages' own vmlinux and modules."""
    new_kernel = resolve(NEW, PATTERNS)
    old, new = Package(old_kernel), Package(new_kernel)
    differ: dict[str, set[tuple[str, str]]] = {one.path: set() for one in drafts}
    for unit, names in seeded.functions_of(old_kernel, differ).items():
        for object_ in unit.objects:
            found = differing(old, new, object_, names)
            differ[unit.path] |= {(object_, name) for name in found}
    left = {one.path: differ[one.path] - one.covered for one in drafts}
    by_file = seeded.by_the_file(new_kernel, [path for path, names in left.items() if names])
    opinions = {}
    for path, every in differ.items():
        names = {name for _, name in left[path]}
        missed = names & by_file.get(path, set())
        opinions[path] = Opinion(
            differ=frozenset(name for _, name in every),
            included=frozenset(names - missed),
            missed=frozenset(missed),
        )
    return opinions


#: What others request by a name of the crypto API, not by `depends`: libcrc32c needs crc32c, and
#: the self test of ecdh_generic a random number generator, without which it WARNs.
ASKED_FOR = ("crc32c_generic", "sha512_generic", "ctr", "jitterentropy_rng", "drbg")
LIVE = "proved, live"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What became of one fix."""

    path: str
    said: str
    replaced: frozenset[tuple[str, str]] = frozenset()  # (object, function)
    covered: frozenset[tuple[str, str]] = frozenset()
    proved: bool = False


def drafted(path: str, folder: Path, kernel: Kernel, guest: GuestHost) -> Draft:
    """Draft one fix, and load and unload what came of it."""
    diff = seeded.diff_of(path, folder.parent)
    words = ("--kernel", OLD, "-o", folder, "--format", "json")
    ran = lppack("draft", diff, *words, limit=1800.0)
    objects = ran.json.get("objects", ())
    every = [(entry["name"], one) for entry in objects for one in entry["functions"]]
    draft = partial(
        Draft,
        path=path,
        replaced=frozenset((object_, base(one["name"])) for object_, one in every),
        covered=frozenset(
            (object_, base(name))
            for object_, one in every
            for name in (one["name"], *one["covers"])
        ),
        proved=ran.rc == 0,
    )
    if ran.rc != 0:
        lines = [f"{line['what']}: {line['why']}" for line in ran.json.get("left_out", ())]
        lines += [f"not checked: {doubt}" for doubt in ran.json.get("not_checked", ())]
        left = list(dict.fromkeys(lines))
        why = (ran.json.get("why") or "").partition("\n")[0].replace(f"{folder}/", "")
        return draft(said="; ".join([*left[:3], *([f"not built: {why}"] if why else [])]))
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
        return draft(said=f"proved and loaded; {', '.join(absent)} does not load here")
    return draft(said=LIVE)
