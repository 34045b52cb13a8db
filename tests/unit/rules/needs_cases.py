# SPDX-License-Identifier: MIT
from lppack.rules import needs
from tests.unit.rules.cases import (
    LEAVE_F,
    LEAVE_K,
    LEAVE_P,
    ON_ACCESS,
    SWITCH_F,
    SWITCH_K,
    SWITCH_T,
    WORLD,
    Case,
    shadow,
    transform,
    world,
)

CASES = (
    # -- needs-name-each-axis-once
    Case(needs.needs_name_each_axis_once, "three axes", {}),
    Case(needs.needs_name_each_axis_once, "two axes", {"needs": [SWITCH_K, LEAVE_F]}),
    Case(needs.needs_name_each_axis_once, "no leave", {"needs": [SWITCH_T]}, [("needs",)]),
    Case(needs.needs_name_each_axis_once, "none", {"needs": []}, [("needs",), ("needs",)]),
    Case(
        needs.needs_name_each_axis_once,
        "each axis twice",
        {"needs": [LEAVE_P, SWITCH_T, LEAVE_K, SWITCH_K, ON_ACCESS, WORLD]},
        [("needs", 2), ("needs", 3), ("needs", 5)],
    ),
    # -- needs-agree
    Case(needs.needs_agree, "on access", {"needs": [LEAVE_P, SWITCH_T, ON_ACCESS]}),
    Case(needs.needs_agree, "world", {"needs": [LEAVE_P, SWITCH_K, WORLD]}),
    Case(needs.needs_agree, "no data", {"needs": [LEAVE_F, SWITCH_F]}),
    Case(
        needs.needs_agree,
        "on access while old functions run",
        {"needs": [LEAVE_F, SWITCH_K, ON_ACCESS]},
        [("needs",)],
    ),
    Case(
        needs.needs_agree,
        "world thread by thread",
        {"needs": [LEAVE_K, SWITCH_T, WORLD]},
        [("needs",)],
    ),
    Case(
        needs.needs_agree,
        "world while old functions run",
        {"needs": [LEAVE_F, SWITCH_K, WORLD]},
        [("needs",)],
    ),
    # -- mode-covers-the-needs
    Case(needs.mode_covers_the_needs, "just", {}),
    Case(needs.mode_covers_the_needs, "more", {"mode": "checkpoint"}),
    Case(needs.mode_covers_the_needs, "no mode", {"mode": None, "needs": [LEAVE_K, SWITCH_K]}),
    Case(needs.mode_covers_the_needs, "less", {"mode": "null-model"}, [("mode",)]),
    Case(
        needs.mode_covers_the_needs,
        "less on one axis",
        {"mode": "kpatch", "needs": [LEAVE_K, SWITCH_T]},
        [("mode",)],
    ),
    # -- transforms-are-declared
    Case(needs.transforms_are_declared, "both", {}),
    Case(needs.transforms_are_declared, "none", {"needs": [LEAVE_P, SWITCH_T], "transforms": None}),
    Case(needs.transforms_are_declared, "not there", {"transforms": []}, [("needs",)]),
    Case(
        needs.transforms_are_declared,
        "not asked for",
        {"needs": [LEAVE_P, SWITCH_T]},
        [("transforms",)],
    ),
    Case(needs.transforms_are_declared, "all at once", world()),
    Case(
        needs.transforms_are_declared,
        "all at once, and nothing is there",
        {"needs": [LEAVE_P, SWITCH_K, WORLD], "transforms": []},
        [("needs",)],
    ),
    # -- transforms-are-of-one-kind
    Case(needs.transforms_are_of_one_kind, "on access", {}),
    Case(needs.transforms_are_of_one_kind, "all at once", world(prepare="lp_p", finish="lp_f")),
    Case(needs.transforms_are_of_one_kind, "no data", {"needs": [LEAVE_P, SWITCH_T]}),
    Case(
        needs.transforms_are_of_one_kind,
        "on access without a lock",
        transform(lock=None, context=None),
        [("transforms", 0), ("transforms", 0)],
    ),
    Case(
        needs.transforms_are_of_one_kind,
        "on access with a stop",
        transform(for_each="lp_e", prepare="lp_p", max_stop_ms=50),
        [("transforms", 0, key) for key in ("for_each", "max_stop_ms", "prepare")],
    ),
    Case(
        needs.transforms_are_of_one_kind,
        "all at once with no way to find them",
        world(for_each=None, max_stop_ms=None),
        [("transforms", 0), ("transforms", 0)],
    ),
    Case(
        needs.transforms_are_of_one_kind,
        "all at once with a lock and a shadow variable",
        {**world(context="process"), **shadow()},
        [("shadow_variables", 0), ("transforms", 0, "context")],
    ),
    Case(
        needs.transforms_are_of_one_kind,
        "on access and irreversible",
        transform(reverse=None, irreversible=True),
    ),
    Case(
        needs.transforms_are_of_one_kind,
        "all at once and irreversible",
        world(reverse=None, irreversible=True),
        [("transforms", 0, "irreversible")],
    ),
    # -- kernel-threads-are-spoken-for
    Case(needs.kernel_threads_are_spoken_for, "less than LEAVE_KERNEL", {}),
    Case(
        needs.kernel_threads_are_spoken_for,
        "said",
        {"needs": [LEAVE_K, SWITCH_T], "kthreads": "patched-set"},
    ),
    Case(
        needs.kernel_threads_are_spoken_for,
        "not said",
        {"needs": [LEAVE_K, SWITCH_T]},
        [("needs",)],
    ),
    # -- interdependent-functions-switch-together
    Case(
        needs.interdependent_functions_switch_together,
        "enough",
        {"interdependent": [["conn_open", "s_show"]]},
    ),
    Case(
        needs.interdependent_functions_switch_together,
        "less on one axis",
        {"interdependent": [["conn_open", "s_show"]], "needs": [LEAVE_P, SWITCH_F]},
        [("interdependent",)],
    ),
    # -- interdependent-functions-are-replaced
    Case(
        needs.interdependent_functions_are_replaced,
        "they are",
        {"interdependent": [["conn_open", "s_show"]]},
    ),
    Case(
        needs.interdependent_functions_are_replaced,
        "one is not",
        {"interdependent": [["conn_open", "conn_get"]]},
        [("interdependent", 0, 1)],
    ),
)
