# SPDX-License-Identifier: MIT
import datetime
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lppack.document import Pointer
from lppack.errors import Level
from lppack.rules import manifest as rules
from lppack.rules.manifest import RULES, WARNINGS, Rule
from lppack.rules.runner import rule_id
from lppack.stages.validate import problems_of
from tests.unit.samples import document, full, patch_folder


@dataclass(frozen=True)
class Case:
    """FULL with other values under some keys, and where the rule finds a fault in it."""

    rule: Rule
    title: str
    changes: dict[str, Any]
    faults: list[Pointer] = field(default_factory=list)  # none: the rule is content


def _functions(*entries: dict[str, Any], name: str = "conn") -> dict[str, Any]:
    return {"objects": [{"name": name, "functions": list(entries)}]}


def _objects(*names: str) -> dict[str, Any]:
    return {"objects": [{"name": name, "functions": []} for name in names]}


def _transform(**changes: Any) -> dict[str, Any]:
    return {"transforms": [{**full()["transforms"][0], **changes}]}


def _shadow(**changes: Any) -> dict[str, Any]:
    return {"shadow_variables": [{**full()["shadow_variables"][0], **changes}]}


def _expect(text: str) -> dict[str, Any]:
    return {"test": {"checks": [{"run": "true", "expect": {"before": text}}]}}


LEAVE_F, LEAVE_P, LEAVE_K = "LEAVE_FUNCTION", "LEAVE_PATCHED_SET", "LEAVE_KERNEL"
SWITCH_F, SWITCH_T, SWITCH_K = "SWITCH_FUNCTION", "SWITCH_THREAD", "SWITCH_KERNEL"
ON_ACCESS, WORLD = "TRANSFORM_ON_ACCESS", "TRANSFORM_WORLD"
CHECK: Pointer = ("test", "checks", 0)
OLD0: Pointer = ("objects", 0, "functions", 0, "old")
NEW0: Pointer = ("objects", 0, "functions", 0, "new")
FUNCTION_MAX = 127

CASES = (
    # -- no-control-characters
    Case(rules.no_control_characters, "none", {}),
    Case(rules.no_control_characters, "any script", {"author": "André Müller 李 🐧"}),
    Case(
        rules.no_control_characters,
        "lines in a check",
        {"test": {"checks": [{"run": "a\n\tb\n", "expect": {"before": "a\nb"}}]}},
    ),
    Case(
        rules.no_control_characters,
        "a line break",
        {"description": "one\ntwo"},
        [("description",)],
    ),
    Case(rules.no_control_characters, "escape", {"author": "\x1b[31m"}, [("author",)]),
    Case(rules.no_control_characters, "at the end", {"name": "conn\n"}, [("name",)]),
    Case(
        rules.no_control_characters,
        "below lists",
        {"sources": ["a.c", "b\x7f.c"]},
        [("sources", 1)],
    ),
    Case(rules.no_control_characters, "half a character", {"license": "\ud800"}, [("license",)]),
    Case(
        rules.no_control_characters,
        "NUL in a check",
        {"test": {"checks": [{"run": "a\0b", "expect": {"before": "\r"}}]}},
        [(*CHECK, "run"), (*CHECK, "expect", "before")],
    ),
    Case(
        rules.no_control_characters,
        "lines elsewhere in test",
        {"test": {"boot": ["a\nb"]}},
        [("test", "boot", 0)],
    ),
    # -- series-name-is-free
    Case(rules.series_name_is_free, "another", {"name": "engines"}),
    Case(rules.series_name_is_free, "ours", {"name": "engine"}, [("name",)]),
    # -- module-name-fits: lppack_NAME_VERSION has 8 characters besides the two
    Case(rules.module_name_fits, "55", {"name": "a" * 43, "version": 9999}),
    Case(rules.module_name_fits, "56", {"name": "a" * 44, "version": 9999}, [("name",)]),
    # -- object-name-is-a-module
    Case(rules.object_name_is_a_module, "vmlinux", _objects("vmlinux")),
    Case(rules.object_name_is_a_module, "modules", _objects("conn", "8021q", "nf_nat_H323")),
    Case(rules.object_name_is_a_module, "55", _objects("a" * 55)),
    Case(rules.object_name_is_a_module, "56", _objects("a" * 56), [("objects", 0, "name")]),
    Case(
        rules.object_name_is_a_module, "a file", _objects("x", "zfs.ko"), [("objects", 1, "name")]
    ),
    Case(rules.object_name_is_a_module, "a dash", _objects("nf-nat"), [("objects", 0, "name")]),
    Case(rules.object_name_is_a_module, "a path", _objects("../conn"), [("objects", 0, "name")]),
    Case(rules.object_name_is_a_module, "a line", _objects("conn\n"), [("objects", 0, "name")]),
    # -- no-object-twice
    Case(rules.no_object_twice, "two", _objects("conn", "vmlinux")),
    Case(
        rules.no_object_twice,
        "three times",
        _objects("conn", "vmlinux", "conn", "conn"),
        [("objects", 2, "name"), ("objects", 3, "name")],
    ),
    # -- no-function-twice
    Case(rules.no_function_twice, "different", _functions({"old": "a"}, {"old": "b"})),
    Case(
        rules.no_function_twice,
        "told apart",
        _functions({"old": "a", "sympos": 1}, {"old": "a", "sympos": 2}),
    ),
    Case(
        rules.no_function_twice,
        "in two objects",
        {
            "objects": [
                {"name": "x", "functions": [{"old": "a"}]},
                {"name": "y", "functions": [{"old": "a"}]},
            ]
        },
    ),
    Case(
        rules.no_function_twice,
        "no position",
        _functions({"old": "a"}, {"old": "a"}),
        [("objects", 0, "functions", 1, "old")],
    ),
    Case(
        rules.no_function_twice,
        "same position",
        _functions({"old": "a", "sympos": 2}, {"old": "b"}, {"old": "a", "sympos": 2}),
        [("objects", 0, "functions", 2, "old")],
    ),
    Case(
        rules.no_function_twice,
        "one of two has a position",
        _functions({"old": "a"}, {"old": "a", "sympos": 2}),
        [OLD0],
    ),
    # -- replacement-is-another-function
    Case(rules.replacement_is_another_function, "another", {}),
    Case(
        rules.replacement_is_another_function,
        "itself",
        _functions({"old": "a", "new": "a"}),
        [NEW0],
    ),
    # -- license-is-compatible
    *(
        Case(rules.license_is_compatible, name, {"license": name})
        for name in ("GPL-2.0-only", "GPL-2.0", "GPL-2.0-or-later", "GPL-2.0+")
    ),
    *(
        Case(rules.license_is_compatible, name, {"license": name}, [("license",)])
        for name in ("MIT", "GPL-3.0-only", "GPL v2", "gpl-2.0-only", "")
    ),
    # -- needs-name-each-axis-once
    Case(rules.needs_name_each_axis_once, "three axes", {}),
    Case(rules.needs_name_each_axis_once, "two axes", {"needs": [SWITCH_K, LEAVE_F]}),
    Case(rules.needs_name_each_axis_once, "no leave", {"needs": [SWITCH_T]}, [("needs",)]),
    Case(rules.needs_name_each_axis_once, "none", {"needs": []}, [("needs",), ("needs",)]),
    Case(
        rules.needs_name_each_axis_once,
        "each axis twice",
        {"needs": [LEAVE_P, SWITCH_T, LEAVE_K, SWITCH_K, ON_ACCESS, WORLD]},
        [("needs", 2), ("needs", 3), ("needs", 5)],
    ),
    # -- needs-agree
    Case(rules.needs_agree, "on access", {"needs": [LEAVE_P, SWITCH_T, ON_ACCESS]}),
    Case(rules.needs_agree, "world", {"needs": [LEAVE_P, SWITCH_K, WORLD]}),
    Case(rules.needs_agree, "no data", {"needs": [LEAVE_F, SWITCH_F]}),
    Case(
        rules.needs_agree,
        "on access while old functions run",
        {"needs": [LEAVE_F, SWITCH_K, ON_ACCESS]},
        [("needs",)],
    ),
    Case(
        rules.needs_agree,
        "world thread by thread",
        {"needs": [LEAVE_K, SWITCH_T, WORLD]},
        [("needs",)],
    ),
    Case(
        rules.needs_agree,
        "world while old functions run",
        {"needs": [LEAVE_F, SWITCH_K, WORLD]},
        [("needs",)],
    ),
    # -- mode-covers-the-needs
    Case(rules.mode_covers_the_needs, "just", {}),
    Case(rules.mode_covers_the_needs, "more", {"mode": "checkpoint"}),
    Case(rules.mode_covers_the_needs, "no mode", {"mode": None, "needs": [LEAVE_K, SWITCH_K]}),
    Case(rules.mode_covers_the_needs, "less", {"mode": "null-model"}, [("mode",)]),
    Case(
        rules.mode_covers_the_needs,
        "less on one axis",
        {"mode": "kpatch", "needs": [LEAVE_K, SWITCH_T]},
        [("mode",)],
    ),
    # -- transforms-are-declared
    Case(rules.transforms_are_declared, "both", {}),
    Case(rules.transforms_are_declared, "none", {"needs": [LEAVE_P, SWITCH_T], "transforms": None}),
    Case(rules.transforms_are_declared, "not there", {"transforms": []}, [("needs",)]),
    Case(
        rules.transforms_are_declared,
        "not asked for",
        {"needs": [LEAVE_P, SWITCH_T]},
        [("transforms",)],
    ),
    Case(
        rules.transforms_are_declared,
        "all at once",
        {"needs": [LEAVE_P, SWITCH_K, WORLD]},
        [("needs",)],
    ),
    # -- transform-belongs-to-an-object
    Case(rules.transform_belongs_to_an_object, "it does", {}),
    Case(
        rules.transform_belongs_to_an_object,
        "it does not",
        _transform(object="con"),
        [("transforms", 0, "object")],
    ),
    # -- shadow-variable-has-a-transform
    Case(rules.shadow_variable_has_a_transform, "it has", {}),
    Case(
        rules.shadow_variable_has_a_transform,
        "there is none",
        _shadow(transform="con"),
        [("shadow_variables", 0, "transform")],
    ),
    Case(
        rules.shadow_variable_has_a_transform,
        "of another type",
        _shadow(attached_to="struct con"),
        [("shadow_variables", 0, "attached_to")],
    ),
    # -- generated-names-are-free
    Case(rules.generated_names_are_free, "they are", {}),
    Case(
        rules.generated_names_are_free,
        "a function of the transform",
        _transform(name="conn", reverse="lp_forget_conn"),
        [("transforms", 0, "reverse")],
    ),
    Case(
        rules.generated_names_are_free,
        "a function of the glue",
        _transform(marker="lp_convert_start"),
        [("transforms", 0, "marker")],
    ),
    # -- converted-fix-has-a-transform
    Case(rules.converted_fix_has_a_transform, "it has", {"fixes": [{"effective": "converted"}]}),
    Case(
        rules.converted_fix_has_a_transform,
        "there is none",
        {"fixes": [{"effective": "converted"}], "transforms": []},
        [("fixes", 0, "effective")],
    ),
    # -- names-are-told-apart
    Case(rules.names_are_told_apart, "all different", {}),
    Case(
        rules.names_are_told_apart,
        "forward is reverse",
        _transform(reverse="lp_conn_upgrade"),
        [("transforms", 0, "reverse")],
    ),
    Case(
        rules.names_are_told_apart,
        "take is release",
        _transform(lock={"take": "lp_x", "release": "lp_x"}),
        [("transforms", 0, "lock", "release")],
    ),
    Case(
        rules.names_are_told_apart,
        "one replacement for two",
        _functions({"old": "a", "new": "lp_a"}, {"old": "b", "new": "lp_a"}),
        [("objects", 0, "functions", 1, "new")],
    ),
    Case(
        rules.names_are_told_apart,
        "a constructor that is a marker",
        _shadow(constructor="lp_conn_is_new"),
        [("shadow_variables", 0, "constructor")],
    ),
    # -- files-are-in-the-folder (the folder of this test holds links, a pipe and a directory)
    Case(rules.files_are_in_the_folder, "all there", {}),
    Case(rules.files_are_in_the_folder, "in a folder", {"sources": ["load/opener.c"]}),
    Case(rules.files_are_in_the_folder, "a link that stays", {"sources": ["inner.c"]}),
    Case(
        rules.files_are_in_the_folder,
        "missing",
        {"sources": ["conn.c", "con.c"], "headers": ["no/ext.h"]},
        [("sources", 1), ("headers", 0)],
    ),
    Case(
        rules.files_are_in_the_folder,
        "a missing program",
        {"test": {"programs": ["load/closer.c"]}},
        [("test", "programs", 0)],
    ),
    *(
        Case(rules.files_are_in_the_folder, f"file {i}", {"sources": [text]}, [("sources", 0)])
        for i, text in enumerate(
            (
                "../conn.c",
                "load/../conn.c",
                "/etc/passwd",
                "./conn.c",
                "load//opener.c",
                "conn.c/",
                "-o.c",
                "a b.c",
                "a\nb.c",
                "$(id).c",
                "",
                "out.c",
                "outside/passwd",
                "gone.c",
                "folder.c",
                "pipe.c",
            )
        )
    ),
    Case(rules.files_are_in_the_folder, "a loop", {"sources": ["loop.c"]}, [("sources", 0)]),
    Case(
        rules.files_are_in_the_folder,
        "a name that no file can have",
        {"sources": ["a" * 300 + ".c"]},
        [("sources", 0)],
    ),
    # -- sources-are-c
    Case(rules.sources_are_c, "they are", {}),
    Case(rules.sources_are_c, "headers of others", {"headers": ["target/conn.h"]}),
    *(
        Case(rules.sources_are_c, f"source {text}", {"sources": [text]}, [("sources", 0)])
        for text in ("conn.S", "conn.o", "Kbuild", "lp_glue.c", "lp_convert.c", "lppack_x_1.c")
    ),
    *(
        Case(rules.sources_are_c, f"header {text}", {"headers": [text]}, [("headers", 0)])
        for text in ("ext.c", "lppack.h", "lp_runtime.h")
    ),
    # -- kernel-pattern-is-plain
    Case(
        rules.kernel_pattern_is_plain,
        "plain",
        {"kernels": ["6.1.0-*-amd64", "6.1.0-56-cloud-amd64", "6.1.99", "6.1.0~rc1+x_y-1"]},
    ),
    Case(
        rules.kernel_pattern_is_plain,
        "not plain",
        {"kernels": ["6.1.[0-9]", "6.1 *", "6.1.0-?", "6.1.0-*\n"]},
        [("kernels", 0), ("kernels", 1), ("kernels", 2), ("kernels", 3)],
    ),
    # -- expectation-is-readable
    Case(rules.expectation_is_readable, "regex", {}),
    Case(rules.expectation_is_readable, "text with a bracket", _expect("a (b")),
    Case(rules.expectation_is_readable, "a path", _expect("/etc(")),
    Case(rules.expectation_is_readable, "one slash", _expect("/")),
    *(
        Case(
            rules.expectation_is_readable,
            f"not a regex: {text[:12]}",
            _expect(text),
            [(*CHECK, "expect", "before")],
        )
        for text in (
            "/a(b/",
            "/[/",
            "/(?P<n>a)(?P<n>b)/",
            "/a{99999999999999999999}/",
            "/" + "(" * 5000 + ")" * 5000 + "/",
        )
    ),
    # -- replacement-name-shows-its-origin (a warning)
    Case(rules.replacement_name_shows_its_origin, "it does", {}),
    Case(
        rules.replacement_name_shows_its_origin,
        "it does not",
        _functions({"old": "a", "new": "new_a"}),
        [NEW0],
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = patch_folder(tmp_path_factory.mktemp("patch"))
    (made / "inner.c").symlink_to("conn.c")
    (made / "out.c").symlink_to("/etc/passwd")
    (made / "outside").symlink_to("/etc")
    (made / "gone.c").symlink_to("nothing.c")
    (made / "loop.c").symlink_to("loop.c")
    (made / "folder.c").mkdir()
    os.mkfifo(made / "pipe.c")
    return made


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{rule_id(case.rule)}: {case.title}")
def test_rule(case: Case, folder: Path) -> None:
    faults = list(case.rule(document(full(**case.changes), folder)))
    assert [fault.pointer for fault in faults] == case.faults
    assert all(fault.message for fault in faults)


@pytest.mark.parametrize("rule", (*RULES, *WARNINGS), ids=rule_id)
def test_each_rule_has_a_case_that_passes_and_one_that_fails(rule: Rule) -> None:
    assert {bool(case.faults) for case in CASES if case.rule is rule} == {False, True}


@pytest.mark.parametrize("rule", (*RULES, *WARNINGS), ids=rule_id)
def test_each_rule_has_a_page(rule: Rule) -> None:
    assert rule.__doc__


def test_a_full_manifest_has_no_problem(folder: Path) -> None:
    assert problems_of(document(full(), folder)) == ()


def test_targets_need_a_kbuild_file(tmp_path: Path) -> None:
    patch = document(full(), patch_folder(tmp_path))
    assert list(rules.files_are_in_the_folder(patch)) == []
    (tmp_path / "target/Kbuild").unlink()
    (fault,) = rules.files_are_in_the_folder(patch)
    assert fault.pointer == ("test", "targets")


def test_a_missing_file_is_suggested(folder: Path) -> None:
    (fault,) = rules.files_are_in_the_folder(document(full(sources=["con.c"]), folder))
    assert fault.hint == 'did you mean "conn.c"?'


def test_the_warnings_are_warnings_and_the_others_errors(folder: Path) -> None:
    found = problems_of(document(full(**_functions({"old": "a", "new": "a"})), folder))
    assert {(problem.rule, problem.level) for problem in found} == {
        ("replacement-is-another-function", Level.ERROR),
        ("replacement-name-shows-its-origin", Level.WARNING),
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 1.0},
        _functions({"old": "a", "new": "lp_a", "sympos": 2.0}),
        _shadow(version=1.0),
    ],
    ids=["version", "sympos", "shadow version"],
)
def test_a_whole_number_is_not_written_with_a_point(changes: dict[str, Any], folder: Path) -> None:
    """JSON schema takes 1.0 for an integer; it would become the module lppack_x_1.0."""
    assert {problem.rule for problem in problems_of(document(full(**changes), folder))} == {"type"}


@pytest.mark.parametrize("limit", [float("nan"), float("inf"), 0, -1, 601])
def test_a_limit_is_a_number_of_seconds(limit: float, folder: Path) -> None:
    checks = [{"run": "true", "limit": limit, "expect": {"before": "x"}}]
    found = problems_of(document(full(test={"checks": checks}), folder))
    (problem,) = found
    assert problem.rule in ("range", "type")


# -- data of any shape

_WORDS = st.sampled_from(
    ["conn", "vmlinux", "lp_conn", "hybrid", "engine", *full()["needs"], "/a(/", "../x.c", "x.c"]
)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=8)
    | _WORDS
    | st.dates()
    | st.datetimes()
    | st.binary(max_size=3)
)


def _keys(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield key
            yield from _keys(below)
    elif isinstance(value, list):
        for below in value:
            yield from _keys(below)


_KEYS = st.sampled_from(sorted(set(_keys(full())))) | st.text(max_size=3)
_VALUES = st.recursive(
    _SCALARS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(_KEYS, below, max_size=4),
    max_leaves=12,
)


def _places(value: object, pointer: Pointer = ()) -> Iterator[Pointer]:
    yield pointer
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _places(below, (*pointer, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _places(below, (*pointer, index))


_PLACES = st.sampled_from(list(_places(full())))


def _put(data: Any, pointer: Pointer, value: object) -> Any:
    if not pointer:
        return value
    step = pointer[0]
    if isinstance(data, dict) and isinstance(step, str):
        return {**data, step: _put(data.get(step), pointer[1:], value)}
    if isinstance(data, list) and isinstance(step, int):
        return [_put(v, pointer[1:], value) if i == step else v for i, v in enumerate(data)]
    return value


ODD: tuple[object, ...] = (
    None,
    True,
    -1,
    1.5,
    float("nan"),
    "",
    "/(/",
    "x" * 300,
    ["x" * 300],
    b"\xff",
    datetime.date(2026, 11, 22),
    [],
    [[]],
    [{}, {}],
    {},
    {"name": [], "functions": [{"old": {}, "new": []}], "lock": [], "expect": {"before": {}}},
)


@pytest.mark.parametrize("pointer", list(_places(full())), ids=lambda p: ".".join(map(str, p)))
def test_rules_stand_odd_values_at_every_place(pointer: Pointer, folder: Path) -> None:
    for value in ODD:
        list(rules.rule_problems(document(_put(full(), pointer, value), folder)))


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=st.lists(st.tuples(_PLACES, _VALUES), min_size=1, max_size=3))
def test_rules_stand_data_of_any_shape(changes: list[tuple[Pointer, object]], folder: Path) -> None:
    data = full()
    for pointer, value in changes:
        data = _put(data, pointer, value)
    for problem in problems_of(document(data, folder)):
        assert problem.rule
        assert problem.message


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=_VALUES)
def test_rules_stand_any_document(data: object, folder: Path) -> None:
    problems_of(document(data, folder))


@pytest.mark.parametrize("pointer", list(_places(full()))[1:], ids=lambda p: ".".join(map(str, p)))
def test_text_of_the_author_cannot_write_to_the_terminal(pointer: Pointer, folder: Path) -> None:
    nasty = "LEAVE_\x1b[2J\ud800\n"
    for data in (
        _put(full(), pointer, nasty),
        _put(full(), pointer, [nasty, {nasty: nasty}, nasty]),
    ):
        for problem in problems_of(document(data, folder)):
            assert problem.message.isprintable(), problem.rule
            assert (problem.hint or "").isprintable(), problem.rule


def test_dates_are_not_text(folder: Path) -> None:
    data = full(description=datetime.date(2026, 11, 22))
    (problem,) = problems_of(document(data, folder))
    assert (problem.rule, problem.message) == ("type", "description must be text, and is a date")
