# SPDX-License-Identifier: MIT
"""tests/guest/test_fixes.py with all of examples/fixes, and the ten at length; by hand: invoke soak
fixes."""

import shutil
from pathlib import Path

import pytest

from lppack.stages.apply import apply
from tests.kit.fixes import (
    FIXES,
    Fixes,
    fixes,  # noqa: F401 (fixtures)
    run_rounds,
)
from tests.kit.spoilt_fixes import SPOILT, Spoilt, all_steps_are_right
from tools.cumulative import FIRST

pytestmark = pytest.mark.guest

NAMES = sorted(path.parent.name for path in FIXES.glob("*/manifest.yaml"))
ROUNDS = 20


@pytest.mark.parametrize("name", NAMES)
def test_each_fix_comes_and_goes(name: str) -> None:
    all_steps_are_right(name)


@pytest.mark.parametrize("spoilt", SPOILT[1:], ids=lambda spoilt: spoilt.title)
def test_what_is_left_out_is_seen(spoilt: Spoilt, tmp_path: Path) -> None:
    spoilt.check(tmp_path)


def test_ten_patches_come_one_by_one_and_go(fixes: Fixes) -> None:  # noqa: F811
    live: set[str] = set()
    for name in FIRST:
        fixes.apply(name)
        live.add(name)
        assert fixes.live() == live
    for state in reversed(fixes.control.engine.patches()):
        fixes.undo(state.module)
        live.remove(str(state.info.series))
        assert fixes.live() == live
    assert live == set()


def test_twenty_rounds_under_load(fixes: Fixes) -> None:  # noqa: F811
    run_rounds(fixes, ROUNDS)


def test_a_next_version_that_takes_nothing_over_is_missed(
    fixes: Fixes,  # noqa: F811
    tmp_path: Path,
) -> None:
    """The control of what the ten leave behind: who forgets to take over what was kept is seen."""
    folder = Path(shutil.copytree(FIXES / "all-2", tmp_path / "all-2"))
    shutil.copyfile(FIXES.parent.parent / "lppack-ids.yaml", folder / "lppack-ids.yaml")
    source = folder / "reordering.c"
    taken = "\t\tif (theirs)\n"
    assert taken in source.read_text()
    source.write_text(source.read_text().replace(taken, "\t\tif (theirs && !net)\n"))
    fixes.sh("/test/reordering hold lost -7")
    fixes.apply("all")
    apply(fixes.control, *fixes.make(folder))
    fixes.undo_all()
    assert fixes.sh("/test/reordering held lost").startswith("value 1\n")
