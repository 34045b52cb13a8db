# SPDX-License-Identifier: MIT
"""What runs when: the kernel's own lines and the hooks', in order. The expected lines are written
from kernel/livepatch/core.c and transition.c (v6.1): __klp_enable_patch, __klp_disable_patch,
klp_complete_transition, klp_cancel_transition, klp_reverse_transition, klp_module_coming,
klp_cleanup_module_patches_limited; the order of hooks within a step is that of objects."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.abi import Phase
from lppack.errors import ApplyRefused
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages.apply import Control, apply, settle
from lppack.stages.bundle import extract
from lppack.stages.revert import revert

pytestmark = pytest.mark.guest

PATCH = Path(__file__).parent / "patches/hooks"
MODULE = "lppack_hooks_1"
PATCHING = f"livepatch: '{MODULE}': starting patching transition"
PATCHED = f"livepatch: '{MODULE}': patching complete"
UNPATCHING = f"livepatch: '{MODULE}': starting unpatching transition"
UNPATCHED = f"livepatch: '{MODULE}': unpatching complete"
REFUSED = f"livepatch: patch '{MODULE}' failed for module 'late', refusing to load module 'late'"
#: busybox's insmod tries finit_module(), and where that fails init_module().
TWICE = 2


class Story:
    """The guest, and the lines since the last look that are the kernel's of live patches, or of
    the hooks."""

    def __init__(self, control: Control, host: GuestHost, kernel: Kernel, folder: Path) -> None:
        plan = pipeline.make_plan(PATCH, kernel=kernel.release)
        made = pipeline.make_bundle(plan, folder, builder="docker", on_line=lambda _line: None)
        extract(made.path, folder / "files")
        self.control = control
        self.host = host
        self.bundle = made.bundle
        self.ko = folder / "files" / f"{MODULE}.ko"
        host.put(folder / "files/test/targets/late.ko", "/tmp/late.ko", mode=0o600)
        self._seen = len(self._all())

    def _all(self) -> list[str]:
        text = self.host.run(["dmesg"], limit=20.0).out
        lines = (re.sub(r"^\[[^]]*\] ", "", line) for line in text.splitlines())
        return [line for line in lines if re.match(r"livepatch: |hooks: ", line)]

    def said(self) -> list[str]:
        lines = self._all()
        new, self._seen = lines[self._seen :], len(lines)
        return new

    def sh(self, command: str) -> int:
        return self.host.run(["/bin/sh", "-c", command], limit=20.0).rc

    def panic_timeout(self, number: int) -> None:
        self.host.write("/proc/sys/kernel/panic", str(number))

    def apply(self) -> None:
        apply(self.control, self.bundle, self.ko)

    def revert(self) -> None:
        revert(self.control, "hooks")

    def insmod(self) -> bool:
        return self.sh("insmod /tmp/late.ko") == 0

    def rmmod(self) -> bool:
        return self.sh("rmmod late") == 0


@pytest.fixture
def story(control: Control, guest: GuestHost, kernel: Kernel, tmp_path: Path) -> Iterator[Story]:
    made = Story(control, guest, kernel, tmp_path)
    yield made
    made.panic_timeout(0)
    made.sh("echo wake > /proc/late; rmmod late 2> /dev/null")


def test_patch_and_unpatch_where_the_module_is_loaded(story: Story) -> None:
    assert story.insmod()
    story.apply()
    assert story.host.read("/proc/cmdline") == "patched\n"
    assert story.said() == [
        f"livepatch: enabling patch '{MODULE}'",
        "hooks: pre_patch",
        "hooks: late pre_patch",
        PATCHING,
        "hooks: post_patch",
        "hooks: late post_patch",
        PATCHED,
    ]
    story.revert()
    assert story.said() == [
        "hooks: pre_unpatch",
        "hooks: late pre_unpatch",
        UNPATCHING,
        "hooks: barrier",
        "hooks: post_unpatch",
        "hooks: late barrier",
        "hooks: late post_unpatch",
        UNPATCHED,
        # the end of the module: callbacks may have been put off since
        "hooks: barrier",
        "hooks: late barrier",
    ]
    assert story.host.read("/proc/cmdline") != "patched\n"


def test_the_module_is_never_loaded(story: Story) -> None:
    story.apply()
    story.revert()
    assert [line for line in story.said() if "late" in line] == ["hooks: late barrier"]


def test_the_module_comes_and_goes_three_times(story: Story) -> None:
    story.apply()
    story.said()
    for _ in range(3):
        assert story.insmod()
        assert story.said() == [
            f"livepatch: applying patch '{MODULE}' to loading module 'late'",
            "hooks: late pre_patch",
            "hooks: late post_patch",
        ]
        assert story.rmmod()
        assert story.said() == [
            "hooks: late pre_unpatch",
            f"livepatch: reverting patch '{MODULE}' on unloading module 'late'",
            "hooks: late barrier",
            "hooks: late post_unpatch",
        ]
    story.revert()


def test_pre_patch_of_vmlinux_fails_and_then_does_not(story: Story) -> None:
    assert story.insmod()
    story.panic_timeout(4242)
    with pytest.raises(ApplyRefused):
        story.apply()
    assert (
        story.said()
        == [
            f"livepatch: enabling patch '{MODULE}'",
            "hooks: pre_patch",
            "livepatch: pre-patch callback failed for object 'vmlinux'",
            f"livepatch: failed to enable patch '{MODULE}'",
            UNPATCHED,
        ]
        * TWICE
    )
    story.panic_timeout(0)
    story.apply()
    assert story.said()[-1] == PATCHED
    story.revert()


def test_pre_patch_of_the_module_fails_and_what_was_done_is_undone(story: Story) -> None:
    assert story.insmod()
    story.panic_timeout(4243)
    with pytest.raises(ApplyRefused):
        story.apply()
    assert (
        story.said()
        == [
            f"livepatch: enabling patch '{MODULE}'",
            "hooks: pre_patch",
            "hooks: late pre_patch",
            "livepatch: pre-patch callback failed for object 'late'",
            f"livepatch: failed to enable patch '{MODULE}'",
            "hooks: barrier",
            "hooks: post_unpatch",
            UNPATCHED,
        ]
        * TWICE
    )
    story.panic_timeout(0)
    story.apply()
    story.revert()


def test_a_late_module_is_refused_and_then_taken(story: Story) -> None:
    story.apply()
    story.said()
    story.panic_timeout(4243)
    for _ in range(2):
        assert not story.insmod()
        assert (
            story.said()
            == [
                f"livepatch: applying patch '{MODULE}' to loading module 'late'",
                "hooks: late pre_patch",
                "livepatch: pre-patch callback failed for object 'late'",
                REFUSED,
            ]
            * TWICE
        )
    story.panic_timeout(0)
    assert story.insmod()
    assert story.said()[-1] == "hooks: late post_patch"
    story.revert()


def test_a_transition_that_is_turned_round_skips_pre_unpatch(story: Story) -> None:
    assert story.insmod()
    story.sh("echo wait > /proc/late &")
    _until(lambda: story.sh("grep -q late_wait /proc/[0-9]*/stack 2> /dev/null") == 0)
    story.control.engine.load(MODULE, story.ko)
    state, _ = settle(story.control, MODULE, Phase.PATCHED, 2.0)
    assert state.phase is Phase.PATCHING
    story.control.engine.reverse(MODULE)
    state, _ = settle(story.control, MODULE, Phase.UNPATCHED, 30.0)
    assert state.phase is Phase.UNPATCHED
    assert story.said() == [
        f"livepatch: enabling patch '{MODULE}'",
        "hooks: pre_patch",
        "hooks: late pre_patch",
        PATCHING,
        UNPATCHING,  # klp_reverse_transition() begins anew; its own line is for debugging
        "hooks: barrier",
        "hooks: post_unpatch",
        "hooks: late barrier",
        "hooks: late post_unpatch",
        UNPATCHED,
    ]


def _until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not seen():
        assert time.monotonic() < end
