# SPDX-License-Identifier: MIT
"""Fixes that leave something out."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.kit.command import lppack
from tests.kit.fixes import FIXES, OLD


def all_steps_are_right(name: str) -> None:
    """`lppack test`: the defect before, none when the fix is in effect, and the defect after."""
    ran = lppack("test", FIXES / name, "--kernel", OLD, "--format", "json", limit=600.0)
    assert ran.rc == 0, ran.err
    steps = {step["step"]: step for step in ran.json["steps"]}
    assert {"before", "patched", "reverted", "unloaded"} <= steps.keys()
    assert all(steps[step]["checks"] for step in ("before", "reverted", "unloaded"))


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
