# SPDX-License-Identifier: MIT
from lppack.names import stable_id
from lppack.rules import data
from tests.unit.rules.cases import Case, functions, hooks, shadow, transform, world

CASES = (
    # -- transform-belongs-to-an-object
    Case(data.transform_belongs_to_an_object, "it does", {}),
    Case(
        data.transform_belongs_to_an_object,
        "it does not",
        transform(object="con"),
        [("transforms", 0, "object")],
    ),
    # -- shadow-variable-has-a-transform
    Case(data.shadow_variable_has_a_transform, "it has", {}),
    Case(
        data.shadow_variable_has_a_transform,
        "there is none",
        shadow(transform="con"),
        [("shadow_variables", 0, "transform")],
    ),
    Case(
        data.shadow_variable_has_a_transform,
        "of another type",
        shadow(attached_to="struct con"),
        [("shadow_variables", 0, "attached_to")],
    ),
    # -- generated-names-are-free
    Case(data.generated_names_are_free, "they are", {}),
    Case(
        data.generated_names_are_free,
        "a function of the transform",
        transform(name="conn", reverse="lp_forget_conn"),
        [("transforms", 0, "reverse")],
    ),
    Case(
        data.generated_names_are_free,
        "a function of the glue",
        transform(marker="lp_convert_start"),
        [("transforms", 0, "marker")],
    ),
    Case(
        data.generated_names_are_free,
        "a function of the transform, all at once",
        world(check="lp_world_check_conn"),
        [("transforms", 0, "check")],
    ),
    # -- converted-fix-has-a-transform
    Case(data.converted_fix_has_a_transform, "it has", {"fixes": [{"effective": "converted"}]}),
    Case(
        data.converted_fix_has_a_transform,
        "there is none",
        {"fixes": [{"effective": "converted"}], "transforms": []},
        [("fixes", 0, "effective")],
    ),
    # -- names-are-told-apart
    Case(data.names_are_told_apart, "all different", {}),
    Case(
        data.names_are_told_apart,
        "forward is reverse",
        transform(reverse="lp_conn_upgrade"),
        [("transforms", 0, "reverse")],
    ),
    Case(
        data.names_are_told_apart,
        "take is release",
        transform(lock={"take": "lp_x", "release": "lp_x"}),
        [("transforms", 0, "lock", "release")],
    ),
    Case(
        data.names_are_told_apart,
        "one replacement for two",
        functions({"old": "a", "new": "lp_a"}, {"old": "b", "new": "lp_a"}),
        [("objects", 0, "functions", 1, "new")],
    ),
    Case(
        data.names_are_told_apart,
        "a constructor that is a marker",
        shadow(constructor="lp_conn_is_new"),
        [("shadow_variables", 0, "constructor")],
    ),
    # -- each-transform-can-go-back
    Case(data.each_transform_can_go_back, "reverse", {}),
    Case(data.each_transform_can_go_back, "said", transform(reverse=None, irreversible=True)),
    Case(
        data.each_transform_can_go_back,
        "neither",
        transform(reverse=None),
        [("transforms", 0)],
    ),
    Case(
        data.each_transform_can_go_back,
        "both",
        transform(irreversible=True),
        [("transforms", 0, "irreversible")],
    ),
    # -- no-check-waits-for-a-revert
    Case(data.no_check_waits_for_a_revert, "it is reverted", {}),
    Case(
        data.no_check_waits_for_a_revert,
        "no step after converted",
        {
            **transform(reverse=None, irreversible=True),
            "test": {"checks": [{"run": "true", "expect": {"converted": ""}}]},
        },
    ),
    Case(
        data.no_check_waits_for_a_revert,
        "steps that never come",
        {
            **transform(reverse=None, irreversible=True),
            "test": {"checks": [{"run": "true", "expect": {"reverted": "", "unloaded": ""}}]},
        },
        [("test", "checks", 0, "expect", step) for step in ("reverted", "unloaded")],
    ),
    # -- ids-are-told-apart
    Case(data.ids_are_told_apart, "states", {"states": [{"id": 1}, {"id": 2}]}),
    Case(
        data.ids_are_told_apart,
        "the same twice",
        {"states": [{"id": 1}, {"id": 1}]},
        [("states", 1, "id")],
    ),
    Case(
        data.ids_are_told_apart,
        "that of the series",
        {"states": [{"id": stable_id("series", "conn-limit")}]},
        [("states", 0, "id")],
    ),
    Case(
        data.ids_are_told_apart,
        "a shadow variable twice",
        {"shadow_variables": [{"name": "x", "version": 1}, {"name": "x", "version": 1}]},
        [("shadow_variables", 1, "name")],
    ),
    # -- hooks-come-in-pairs (a warning)
    Case(data.hooks_come_in_pairs, "none", {}),
    Case(data.hooks_come_in_pairs, "a pair", hooks(pre_patch="lp_a", post_unpatch="lp_b")),
    Case(
        data.hooks_come_in_pairs,
        "halves",
        hooks(pre_patch="lp_a", post_patch="lp_b"),
        [("objects", 0, "hooks", "pre_patch"), ("objects", 0, "hooks", "post_patch")],
    ),
)
