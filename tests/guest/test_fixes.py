# SPDX-License-Identifier: MIT
"""The fixes of examples/fixes: what their programs see of the defects, and of the patches."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.debian.kernels import resolve
from lppack.hosts.guest import boot
from lppack.stages.test import fits
from tests.kit.command import lppack
from tests.kit.fixes import BOOT, FIXES, OLD, SEEN, Reproducers
from tests.kit.guest import PATTERNS

pytestmark = pytest.mark.guest

#: One of each kind; tests/soak/test_fixes.py takes them all.
HERE = ("prctl-auxv", "ipc-next-id", "binfmt-misc", "secretmem")


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


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A fix with ``new`` for ``old`` in its C: from which step on its checks see that."""

    title: str
    name: str
    old: str
    new: str
    step: str

    def check(self, folder: Path) -> None:
        patch = Path(shutil.copytree(FIXES / self.name, folder / self.name))
        [source] = patch.glob("*.c")
        assert source.read_text().count(self.old) == 1
        source.write_text(source.read_text().replace(self.old, self.new))
        ran = lppack("test", patch, "--kernel", OLD, "--format", "json", limit=600.0)
        assert ran.rc == 9, ran.err
        failed = [step["step"] for step in ran.json["steps"] if not step["ok"]]
        assert failed[0] == self.step


#: What was there before the patch is left as it is, or is not put back.
SPOILT = (
    Spoilt(
        "pages that an open file has", "secretmem", "file->f_mapping->nrpages", "0", "converted"
    ),
    Spoilt(
        "pages given back",
        "secretmem",
        "lp_charge(state->user, &state->pages, -atomic_long_read(&state->pages));",
        "",
        "converted",
    ),
    Spoilt("an entry", "binfmt-misc", "allow_write_access(e->interp_file);", "", "patched"),
    Spoilt("a device", "loop-block-size", "size(lo, mode,", "size(lo, FMODE_EXCL,", "patched"),
    Spoilt("counts", "proc-nlink", "lp_count_all(false);", "", "patched"),
    Spoilt("counts put back", "proc-nlink", "lp_count_all(true);", "", "reverted"),
    Spoilt(
        "a value put back",
        "tcp-reordering",
        "cmpxchg(value, kept->now, kept->was);",
        "",
        "reverted",
    ),
)


def test_an_open_file_that_is_left_out_is_seen(tmp_path: Path) -> None:
    SPOILT[0].check(tmp_path)
