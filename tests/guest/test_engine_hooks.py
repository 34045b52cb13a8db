# SPDX-License-Identifier: MIT
"""The stories of test_hooks.py with lppack's own engine: hooks run at the same steps and
in the same order as the kernel's own livepatch has them, also where a module comes or goes, a hook
refuses, or the transition is reversed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lppack import pipeline
from lppack.abi import PatchPhase
from lppack.consistency import EngineName, ModeName
from lppack.errors import ApplyRefused
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages.apply import Control
from lppack.stages.bundle import extract
from tests.guest.story import TWICE, Patch, Story
from tests.kit.engines import controlled
from tests.kit.hooks import PATCH, TARGETS, UNPATCHED_HOOKS

pytestmark = pytest.mark.guest

#: This engine hands no state to a next version.
STATE = {
    "klp_get_prev_state(HOOKS_STATE)": "NULL",
    "\tlp_state(HOOKS_STATE)->data = text;\n": "",
}
END = ("barrier", "late barrier")


@pytest.fixture(scope="module")
def first(guest: GuestHost, kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Patch:
    work = tmp_path_factory.mktemp("first")
    folder = Path(shutil.copytree(PATCH, work / "patch"))
    manifest = yaml.safe_load((folder / "manifest.yaml").read_text())
    del manifest["states"]
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    text = (folder / "hooks.c").read_text()
    for old, new in STATE.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "hooks.c").write_text(text)
    plan = pipeline.make_plan(
        folder, kernel=str(kernel.root), engine=EngineName.CONSISTENCY, mode=ModeName.KPATCH
    )
    built = pipeline.make_bundle(plan, work, builder="docker", on_line=lambda _line: None)
    extract(built.path, work / "files")
    for name in TARGETS:
        guest.put(work / f"files/test/targets/{name}.ko", f"/tmp/{name}.ko", mode=0o600)
    return Patch(bundle=built.bundle, files=work / "files")


@pytest.fixture
def control(guest: GuestHost) -> Iterator[Control]:
    yield from controlled(guest, EngineName.CONSISTENCY)


@pytest.fixture
def story(control: Control, guest: GuestHost) -> Iterator[Story]:
    made = Story(control, guest)
    yield made
    made.panic_timeout(0)
    made.sh("echo wake > /proc/late; for m in late later; do rmmod $m; done 2> /dev/null")


def ran(story: Story, patch: Patch) -> list[str]:
    """The hooks that have run since the last look."""
    start = f"{patch.module}: "
    return [line.removeprefix(start) for line in story.said() if line.startswith(start)]


def test_there_and_back_with_the_module_and_without(story: Story, first: Patch) -> None:
    story.apply(first)
    assert ran(story, first) == ["pre_patch", "post_patch"]
    story.revert(first)
    assert ran(story, first) == ["pre_unpatch", *UNPATCHED_HOOKS[:2], *END]
    assert story.insmod("late")
    story.apply(first)
    assert story.host.read("/proc/cmdline") == "patched by lppack_hooks_1\n"
    assert ran(story, first) == ["pre_patch", "late pre_patch", "post_patch", "late post_patch"]
    story.revert(first)
    assert ran(story, first) == ["pre_unpatch", "late pre_unpatch", *UNPATCHED_HOOKS, *END]


def test_the_module_comes_and_goes_and_is_refused(story: Story, first: Patch) -> None:
    story.apply(first)
    ran(story, first)
    for _ in range(2):
        assert story.insmod("late")
        assert ran(story, first) == ["late pre_patch", "late post_patch"]
        assert story.rmmod("late")
        assert ran(story, first) == ["late pre_unpatch", "late barrier", "late post_unpatch"]
    story.panic_timeout(4243)
    assert not story.insmod("late")
    assert ran(story, first) == ["late pre_patch"] * TWICE
    story.panic_timeout(0)
    assert story.insmod("late")
    assert ran(story, first) == ["late pre_patch", "late post_patch"]


@pytest.mark.parametrize(
    ("number", "hooks"),
    [(4242, ["pre_patch"]), (4243, ["pre_patch", "late pre_patch", "barrier", "post_unpatch"])],
    ids=["vmlinux", "late"],
)
def test_a_pre_patch_that_fails(story: Story, first: Patch, number: int, hooks: list[str]) -> None:
    assert story.insmod("late")
    story.panic_timeout(number)
    with pytest.raises(ApplyRefused):
        story.apply(first)
    assert ran(story, first) == hooks * TWICE
    story.panic_timeout(0)
    story.apply(first)


def test_a_transition_that_is_reversed_skips_pre_unpatch(story: Story, first: Patch) -> None:
    assert story.insmod("late")
    story.busy()
    story.load(first)
    assert not story.reaches(first, PatchPhase.PATCHED, 2.0)
    story.reverse(first)
    assert story.reaches(first, PatchPhase.UNPATCHED)
    assert ran(story, first) == ["pre_patch", "late pre_patch", *UNPATCHED_HOOKS]


def test_modules_come_and_go_in_the_middle_of_the_transition(story: Story, first: Patch) -> None:
    assert story.insmod("late")
    story.busy()
    story.load(first)
    assert not story.reaches(first, PatchPhase.PATCHED, 2.0)
    ran(story, first)
    assert story.insmod("later")
    assert ran(story, first) == ["later pre_patch"]
    assert story.rmmod("later")
    assert ran(story, first) == ["later post_unpatch"]
    assert story.insmod("later")
    assert ran(story, first) == ["later pre_patch"]
    story.idle()
    assert story.reaches(first, PatchPhase.PATCHED)
    assert ran(story, first) == ["post_patch", "late post_patch", "later post_patch"]
    story.busy("lp_late_wait")
    story.reverse(first)
    assert not story.reaches(first, PatchPhase.UNPATCHED, 2.0)
    assert ran(story, first) == ["pre_unpatch", "late pre_unpatch", "later pre_unpatch"]
    assert story.rmmod("later")
    assert ran(story, first) == ["later post_unpatch"]
    story.idle()
    assert story.reaches(first, PatchPhase.UNPATCHED)
    assert ran(story, first) == list(UNPATCHED_HOOKS)
