# SPDX-License-Identifier: MIT
"""What runs when: the kernel's own lines and the hooks', in order. The expected lines are written
from kernel/livepatch/core.c and transition.c (v6.1): __klp_enable_patch, __klp_disable_patch,
klp_complete_transition, klp_cancel_transition, klp_reverse_transition, klp_module_coming,
klp_cleanup_module_patches_limited; the order of hooks within a step is that of objects."""

from collections.abc import Iterator

import pytest

from lppack.abi import PatchPhase
from lppack.errors import ApplyRefused
from lppack.hosts.guest import GuestHost
from lppack.model import Kernel
from lppack.stages.apply import Control
from lppack.stages.status import status
from tests.guest.story import TWICE, Patch, Story, make
from tests.kit.command import EXAMPLES
from tests.kit.hooks import PATCH, TARGETS, UNPATCHED_HOOKS

pytestmark = [pytest.mark.guest, pytest.mark.debug_kernel]


@pytest.fixture(scope="module")
def first(guest: GuestHost, kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Patch:
    made = make(PATCH, kernel, tmp_path_factory.mktemp("first"))
    for name in TARGETS:
        guest.put(made.files / f"test/targets/{name}.ko", f"/tmp/{name}.ko", mode=0o600)
    return made


@pytest.fixture(scope="module")
def second(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Patch:
    """Takes the place of the first, and has a later version of the state."""
    return make(
        PATCH,
        kernel,
        tmp_path_factory.mktemp("second"),
        version=2,
        replaces=["hooks"],
        states=[{"id": 4711, "version": 2}],
    )


@pytest.fixture(scope="module")
def other(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Patch:
    """Another series, without hooks, that replaces one of the functions too."""
    return make(EXAMPLES / "proc-cmdline", kernel, tmp_path_factory.mktemp("other"))


@pytest.fixture
def story(control: Control, guest: GuestHost) -> Iterator[Story]:
    made = Story(control, guest)
    yield made
    made.panic_timeout(0)
    made.sh("echo wake > /proc/late; for m in late later; do rmmod $m; done 2> /dev/null")


@pytest.fixture
def stranger(story: Story) -> Iterator[str]:
    """The name of a live patch of another origin, which is gone at the end."""
    yield "stranger"
    story.sh("echo 0 > /sys/kernel/livepatch/stranger/enabled 2> /dev/null")
    if story.sh("[ -e /sys/module/stranger ]") == 0:
        story.until(lambda: story.rmmod("stranger"))


def test_patch_and_unpatch_where_the_module_is_loaded(story: Story, first: Patch) -> None:
    assert story.insmod("late")
    story.apply(first)
    assert story.host.read("/proc/cmdline") == "patched by lppack_hooks_1\n"
    assert story.said() == [
        first.enabling,
        *first.hooks("pre_patch", "late pre_patch"),
        first.patching,
        *first.hooks("post_patch", "late post_patch"),
        first.patched,
    ]
    story.revert(first)
    assert story.said() == [
        *first.hooks("pre_unpatch", "late pre_unpatch"),
        first.unpatching,
        *first.hooks(*UNPATCHED_HOOKS),
        first.unpatched,
        # the end of the module: callbacks may have been put off since
        *first.hooks("barrier", "late barrier"),
    ]
    assert "patched" not in story.host.read("/proc/cmdline")


def test_the_module_is_never_loaded(story: Story, first: Patch) -> None:
    story.apply(first)
    story.revert(first)
    assert [line for line in story.said() if "late" in line] == first.hooks("late barrier")


def test_the_module_comes_and_goes_three_times(story: Story, first: Patch) -> None:
    story.apply(first)
    story.said()
    for _ in range(3):
        assert story.insmod("late")
        assert story.said() == [
            first.coming("late"),
            *first.hooks("late pre_patch", "late post_patch"),
        ]
        assert story.rmmod("late")
        assert story.said() == [
            *first.hooks("late pre_unpatch"),
            first.going("late"),
            *first.hooks("late barrier", "late post_unpatch"),
        ]
    assert story.insmod("late")
    story.said()
    story.revert(first)
    assert story.said()[-4:-2] == [*first.hooks("late post_unpatch"), first.unpatched]


def test_pre_patch_of_vmlinux_fails_and_then_does_not(story: Story, first: Patch) -> None:
    assert story.insmod("late")
    story.panic_timeout(4242)
    with pytest.raises(ApplyRefused):
        story.apply(first)
    assert (
        story.said()
        == [
            first.enabling,
            *first.hooks("pre_patch"),
            "livepatch: pre-patch callback failed for object 'vmlinux'",
            first.not_enabled,
            first.unpatched,
        ]
        * TWICE
    )
    story.panic_timeout(0)
    story.apply(first)
    assert story.said()[-1] == first.patched


def test_pre_patch_of_the_module_fails_and_what_was_done_is_undone(
    story: Story, first: Patch
) -> None:
    assert story.insmod("late")
    story.panic_timeout(4243)
    with pytest.raises(ApplyRefused):
        story.apply(first)
    assert (
        story.said()
        == [
            first.enabling,
            *first.hooks("pre_patch", "late pre_patch"),
            "livepatch: pre-patch callback failed for object 'late'",
            first.not_enabled,
            *first.hooks("barrier", "post_unpatch"),
            first.unpatched,
        ]
        * TWICE
    )
    story.panic_timeout(0)
    story.apply(first)


def test_a_late_module_is_refused_and_then_taken(story: Story, first: Patch) -> None:
    story.apply(first)
    story.said()
    story.panic_timeout(4243)
    for _ in range(2):
        assert not story.insmod("late")
        assert (
            story.said()
            == [
                first.coming("late"),
                *first.hooks("late pre_patch"),
                "livepatch: pre-patch callback failed for object 'late'",
                first.refusing("late"),
            ]
            * TWICE
        )
    story.panic_timeout(0)
    assert story.insmod("late")
    assert story.said()[-1:] == first.hooks("late post_patch")


def test_a_transition_that_is_turned_round_skips_pre_unpatch(story: Story, first: Patch) -> None:
    assert story.insmod("late")
    story.busy()
    story.load(first)
    assert not story.reaches(first, PatchPhase.PATCHED, 2.0)
    story.reverse(first)
    assert story.reaches(first, PatchPhase.UNPATCHED)
    assert story.said() == [
        first.enabling,
        *first.hooks("pre_patch", "late pre_patch"),
        first.patching,
        first.unpatching,  # klp_reverse_transition() begins anew; its own line is for debugging
        *first.hooks(*UNPATCHED_HOOKS),
        first.unpatched,
    ]


def test_a_module_comes_in_the_middle_of_the_transition(story: Story, first: Patch) -> None:
    """Its post_patch comes with all others, when the transition is complete."""
    assert story.insmod("late")
    story.busy()
    story.load(first)
    assert not story.reaches(first, PatchPhase.PATCHED, 2.0)
    story.said()
    assert story.insmod("later")
    assert story.said() == [first.coming("later"), *first.hooks("later pre_patch")]
    story.idle()
    assert story.reaches(first, PatchPhase.PATCHED)
    assert story.said() == [
        *first.hooks("post_patch", "late post_patch", "later post_patch"),
        first.patched,
    ]


def test_a_module_goes_in_the_middle_of_the_transition(story: Story, first: Patch) -> None:
    """It never was patched to the end: post_unpatch alone takes back what pre_patch did."""
    assert story.insmod("late") and story.insmod("later")
    story.busy()
    story.load(first)
    assert not story.reaches(first, PatchPhase.PATCHED, 2.0)
    story.said()
    assert story.rmmod("later")
    assert story.said() == [first.going("later"), *first.hooks("later post_unpatch")]
    story.idle()
    assert story.reaches(first, PatchPhase.PATCHED)
    assert story.said() == [*first.hooks("post_patch", "late post_patch"), first.patched]


def test_a_module_goes_while_the_patch_is_taken_back(story: Story, first: Patch) -> None:
    assert story.insmod("late") and story.insmod("later")
    story.apply(first)
    story.busy("lp_late_wait")
    story.said()
    story.reverse(first)
    assert not story.reaches(first, PatchPhase.UNPATCHED, 2.0)
    assert story.said() == [
        *first.hooks("pre_unpatch", "late pre_unpatch", "later pre_unpatch"),
        first.unpatching,
    ]
    assert story.rmmod("later")
    assert story.said() == [first.going("later"), *first.hooks("later post_unpatch")]
    story.idle()
    assert story.reaches(first, PatchPhase.UNPATCHED)
    assert story.said() == [*first.hooks(*UNPATCHED_HOOKS), first.unpatched]


def test_two_patches_of_one_function_are_taken_back_from_below(
    story: Story, first: Patch, other: Patch
) -> None:
    """apply refuses the second; the kernel takes it, and the last one in wins (klp_ftrace_handler
    looks at the top of func_stack). Since 5.1 they may go in any order."""
    story.apply(first)
    with pytest.raises(ApplyRefused, match="cmdline_proc_show of vmlinux is replaced by"):
        story.apply(other)
    story.said()
    story.load(other)
    assert story.reaches(other, PatchPhase.PATCHED)
    assert story.said() == [other.enabling, other.patching, other.patched]
    above = story.host.read("/proc/cmdline")
    assert "patched by" not in above
    said = {patch.module: patch for patch in status(story.control.engine, "guest")}
    assert (
        "vmlinux",
        "cmdline_proc_show",
        other.module,
    ) in said[first.module].overridden
    assert said[other.module].overridden == (), "the newest runs"
    story.revert(first)
    assert story.said()[:2] == [*first.hooks("pre_unpatch"), first.unpatching]
    assert story.host.read("/proc/cmdline") == above
    story.revert(other)
    assert story.said()[-2:] == [other.unpatching, other.unpatched]
    assert story.host.read("/proc/cmdline") != above


def test_a_version_takes_the_place_of_another_and_is_handed_its_state(
    story: Story, first: Patch, second: Patch
) -> None:
    """The kernel runs no callback of what is replaced (klp_unpatch_replaced_patches)."""
    assert story.insmod("late")
    story.apply(first)
    story.said()
    story.apply(second)
    assert story.said() == [
        second.enabling,
        *second.hooks("pre_patch", "given by version 1 of the state", "late pre_patch"),
        second.patching,
        *second.hooks("post_patch", "late post_patch"),
        second.patched,
        *first.hooks("barrier", "late barrier"),  # the end of its module
    ]
    assert story.host.read("/proc/cmdline") == "patched by lppack_hooks_2\n"
    story.revert(second)
    assert "patched" not in story.host.read("/proc/cmdline")


def test_a_version_that_is_turned_round_leaves_the_state_where_it_was(
    story: Story, first: Patch, second: Patch
) -> None:
    assert story.insmod("late")
    story.apply(first)
    story.busy("lp_late_wait")
    story.load(second)
    assert not story.reaches(second, PatchPhase.PATCHED, 2.0)
    story.said()
    story.reverse(second)
    assert story.reaches(second, PatchPhase.UNPATCHED)
    assert story.said() == [
        second.unpatching,
        *second.hooks(*UNPATCHED_HOOKS),
        second.unpatched,
    ]
    assert story.host.read("/proc/cmdline") == "patched by lppack_hooks_1\n"
    story.idle()


def test_the_way_down_is_refused(story: Story, first: Patch, second: Patch) -> None:
    """klp_is_state_compatible(), kernel/livepatch/state.c: the state is there in version 2."""
    story.apply(second)
    with pytest.raises(ApplyRefused, match="on guest already"):
        story.apply(first)
    story.said()
    with pytest.raises(ApplyRefused):
        story.load(first)
    assert story.said() == [first.incompatible] * TWICE
    assert story.host.read("/proc/cmdline") == "patched by lppack_hooks_2\n"


def test_a_stranger_is_never_removed_unasked(
    story: Story, first: Patch, second: Patch, stranger: str
) -> None:
    assert story.insmod(stranger)
    assert story.reaches(stranger, PatchPhase.PATCHED)
    story.apply(first)
    with pytest.raises(
        ApplyRefused, match="would remove live patches that it does not name: stranger"
    ):
        story.apply(second)
    assert story.host.read("/proc/version") == "a stranger's\n"
    story.revert(first)
    assert story.host.read("/proc/version") == "a stranger's\n"
    # The control: the kernel itself would have removed it, and said nothing of it.
    story.said()
    story.load(second)
    assert story.reaches(second, PatchPhase.PATCHED)
    assert not [line for line in story.said() if stranger in line]
    assert story.host.read("/proc/version") != "a stranger's\n"


def test_a_stranger_that_replaces_all_is_refused_by_the_kernel(
    story: Story, first: Patch, stranger: str
) -> None:
    """It lacks the state of the series: that is what the state is for."""
    story.apply(first)
    story.said()
    assert not story.insmod(stranger, "replace=1")
    refused = (
        "livepatch: Livepatch patch (stranger) is not compatible with the already installed "
        "livepatches."
    )
    assert story.said() == [refused] * TWICE
    assert story.host.read("/proc/cmdline") == "patched by lppack_hooks_1\n"
    assert story.insmod(stranger), "beside it, it may be"
    assert story.reaches(stranger, PatchPhase.PATCHED)
