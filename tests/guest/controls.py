# SPDX-License-Identifier: MIT
"""Negative controls: for each guard of the generated code, the very test that watches it, which
fails where the guard was taken out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lppack.engines.livepatch import Livepatch
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Kernel
from lppack.stages.apply import Control
from lppack.stages.test import load_targets
from tests.guest import test_conn_limit, test_crowd, test_cumulative
from tests.guest.mutation import Mutation, spoilt
from tests.kit.command import EXAMPLES
from tests.kit.crowd import PATCH, Crowd
from tests.kit.one_way import one_way
from tests.kit.target import Target

CONVERT, GLUE, SERIES = "lp_convert.c", "lp_glue.c", "lp_series.c"
NOTHING = Mutation(CONVERT, "Made by lppack", "Made by lppack")


@dataclass(frozen=True, slots=True)
class World:
    """A guest of its own, which is thrown away: what is spoilt leaves the kernel in a state that
    nothing can be said of."""

    control: Control
    host: GuestHost
    kernel: Kernel
    work: Path

    def target(self, mutation: Mutation) -> Target:
        bundle, files = spoilt(EXAMPLES / "conn-limit", self.kernel, self.work, mutation)
        load_targets(self.host, bundle, files)
        return Target(self.host, bundle, files)

    def second(self, mutation: Mutation) -> test_cumulative.Second:
        made = spoilt(EXAMPLES / "conn-limit-2", self.kernel, self.work, mutation)
        return test_cumulative.Second(self.host, *made)

    def one_way(self, mutation: Mutation) -> Target:
        made = spoilt(one_way(self.work / "p"), self.kernel, self.work / "o", mutation)
        return Target(self.host, *made)

    def crowd(self, mutation: Mutation) -> Crowd:
        made = Crowd(self.host, *spoilt(PATCH, self.kernel, self.work, mutation))
        made.insmod()
        return made


@dataclass(frozen=True, slots=True)
class Guard:
    """What is taken out, and where its test then fails."""

    title: str
    mutation: Mutation
    story: Callable[[World, Mutation], object]
    fails: str  # a part of the statement of the test that fails

    def check(self, world: World) -> None:
        with pytest.raises((AssertionError, pytest.fail.Exception)) as caught:
            self.story(world, self.mutation)
        places = [entry for entry in caught.traceback if "/tests/" in str(entry.path)]
        assert self.fails in str(places[-1].statement), "it failed, and for another reason"


#: For every run.
FEW = (
    Guard(
        "a stop does not wait for conversions that are under way",
        Mutation(
            CONVERT,
            "while (!poll_state_synchronize_srcu(lp_series_srcu(), lp_stop_cookie)) {",
            "while (false) {",
        ),
        lambda w, m: late(w, w.target(m)),
        "assert not stop_conversion(",
    ),
    Guard(
        "whoever frees an object does not wait for its reversal",
        Mutation(CONVERT, "if (!entry || !entry->busy)", "if (true)"),
        lambda w, m: (
            test_conn_limit.test_an_object_that_is_freed_while_it_is_reversed_is_waited_for(
                w.control, w.target(m)
            )
        ),
        "the one that is being reversed is waited for",
    ),
    Guard(
        "no second line before the kernel unpatches",
        Mutation(GLUE, "lp_convert_stop(true);", "(void)lp_convert_stop;"),
        lambda w, m: test_conn_limit.test_a_strangers_disable_is_the_second_line(
            w.control, w.target(m)
        ),
        '== {"old"}',
    ),
    Guard(
        "what is tracked in a target that is gone is kept",
        Mutation(GLUE, "\tlp_drop_member();\n", ""),
        lambda w, m: test_crowd.test_members_that_are_a_part_of_the_target_go_with_it(
            w.control, w.crowd(m)
        ),
        "assert crowd.tracked() == set()",
    ),
    Guard(
        "the version before goes on converting while it is replaced",
        Mutation(SERIES, "\t\tWRITE_ONCE(series->charge, NULL);\n", ""),
        lambda w, m: test_cumulative.test_a_replacement_that_is_turned_round_leaves_version_1_whole(
            w.control, w.target(NOTHING), w.second(m)
        ),
        "pytest.raises(HostError)",
    ),
)

#: For the soak.
MORE = (
    Guard(
        "what has no way back is stopped, and so reverted",
        Mutation(CONVERT, "return -EPERM;", "return 0;"),
        lambda w, m: test_cumulative.test_what_is_irreversible_stays_until_a_version_has_a_way_back(
            w.control, w.target(NOTHING), w.one_way(m), w.second(NOTHING)
        ),
        "pytest.raises(HostError)",
    ),
    Guard(
        "what is converted is not tracked",
        Mutation(CONVERT, "lp_track(lp_tracking_conn, entry, obj);", "lp_tracked_free(entry);"),
        lambda w, m: test_conn_limit.test_the_target_lists_the_form_of_each_object_at_each_step(
            w.control, w.target(m)
        ),
        'target.parameter("converted") == "1"',
    ),
    Guard(
        "conversion may begin before the transition is complete",
        Mutation(SERIES, "if (lp_series->charge == lp_self)", "if (true)"),
        lambda w, m: test_conn_limit.test_convert_is_busy_until_the_transition_is_complete(
            w.control, w.target(m)
        ),
        "pytest.raises(HostError)",
    ),
    Guard(
        "a target is not held while its data is reversed",
        Mutation(CONVERT, "!try_module_get(lp_target_conn)", "false"),
        lambda w, m: test_conn_limit.test_a_target_whose_data_is_reversed_cannot_go(
            w.control, w.target(m), w.host
        ),
        "assert busy.rc != 0",
    ),
    Guard(
        "a freed object is not forgotten",
        Mutation(CONVERT, "\tif (entry)\n\t\tlp_untrack(t, entry);\n", ""),
        lambda w, m: test_crowd.test_memory_is_bounded_by_what_exists(w.control, w.crowd(m)),
        'crowd.members("new") == crowd.tracked()',
    ),
    Guard(
        "a shadow variable outlives its object",
        Mutation(
            CONVERT,
            "lp_forget(lp_tracking_member, obj, true);\n\tklp_shadow_free(",
            "lp_forget(lp_tracking_member, obj, true);\n\tif (0)\n\t\tklp_shadow_free(",
        ),
        lambda w, m: test_crowd.test_memory_is_bounded_by_what_exists(w.control, w.crowd(m)),
        "crowd.allocated() <= 2",
    ),
    Guard(
        "an object that cannot be tracked is converted",
        Mutation(
            CONVERT,
            "if (entry && !lp_member_upgrade(obj))",
            "if (!lp_member_upgrade(obj) && entry)",
        ),
        lambda w, m: test_crowd.test_what_cannot_be_tracked_stays_old(w.control, w.crowd(m)),
        'crowd.members("new") == set()',
    ),
    Guard(
        "a version that takes over is not handed what was tracked",
        Mutation(CONVERT, "before ? before->data : NULL", "NULL"),
        lambda w, m: test_cumulative.test_replaced_while_converted(
            w.control, w.target(NOTHING), w.second(m)
        ),
        "what version 1 tracked was handed on",
    ),
)


def late(world: World, target: Target) -> None:
    test_conn_limit.test_threads_asleep_inside_accessors_end_in_the_right_form(
        world.control, target, "conn-untracked"
    )


@pytest.fixture
def world(kernel: Kernel, initramfs: Path, tmp_path: Path) -> Iterator[World]:
    with boot(kernel, work=tmp_path / "g", initramfs=initramfs) as host:
        control = Control(engine=Livepatch(host), host=host, timeout=20.0)
        yield World(control, host, kernel, tmp_path)
