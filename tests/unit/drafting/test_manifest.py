# SPDX-License-Identifier: MIT
"""The manifest of a draft."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lppack.drafting.advice import Advice, advise
from lppack.drafting.edit import Edit
from lppack.drafting.manifest import manifest_of, manifest_text, series_of
from lppack.drafting.places import Target
from lppack.resources import schema
from lppack.rules.fits import fits
from lppack.rules.folder import problems_of
from tests.kit.c_sample import FILE
from tests.kit.samples import RELEASE, document, full
from tests.unit.drafting.small import (
    changes,
    here,
)


def test_what_goes_or_gets_another_type_is_converted_in_a_stop() -> None:
    made = {
        text: advise([changes(FILE.replace("int count;", text))], here)
        for text in ("int count, more;", "long count;", "int number;", "")
    }
    assert [advice.world for advice in made.values()] == [False, True, True, True]
    for advice in made.values():
        wanted = "TRANSFORM_WORLD" if advice.world else "TRANSFORM_ON_ACCESS"
        manifest = manifest_of(
            edit_of(), RELEASE, "x", (), {}, advice, ("x.c",), (), ("show",), "vmlinux"
        )
        assert wanted in manifest["needs"]
        [transform] = manifest["transforms"]
        assert transform["type"] == "struct thing"
        assert ("for_each" in transform, "lock" in transform) == (advice.world, not advice.world)
        assert ("shadow_variables" in manifest) is not advice.world
        none = dict.fromkeys(("test", "workload", "states", "mode", "shadow_variables"))
        problems = problems_of(document(full(**{**none, **manifest})))
        rules = {problem.rule for problem in problems}
        assert rules <= {"files-are-in-the-folder", "object-changes-something"}


def edit_of() -> Edit:
    return Edit(changes=(), files={}, subject="a fix", text=b"")


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("net: fix it", "net-fix-it"),
        ("fs/proc: 'x' -> \"y\"", "fs-proc-x-y"),
        ("9p: fix", "fix-9p-fix"),
        ("", "fix"),
        ("\u00e9\u00e9", "fix"),
        ("x" * 60, "x" * 40),
        (f"{'word ' * 20}", "-".join(["word"] * 8)),
        ("a" * 40, "a" * 40),
    ],
)
def test_a_series_is_named_after_its_subject(subject: str, name: str) -> None:
    assert series_of(subject) == name


@given(subject=st.text(max_size=80))
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_the_name_of_a_series_is_one_that_a_manifest_may_have(subject: str) -> None:
    assert fits(series_of(subject), schema("manifest-v1")["properties"]["name"])


def target(name: str, object_: str = "vmlinux", sympos: int | None = None) -> Target:
    return Target(name=name, path="fs/a.c", object=object_, sympos=sympos, covers=(name,))


NOTHING = Advice(layouts=(), data=(), counters=(), locks=())


def drafted(
    edit: Edit, found: Sequence[Target], symbols: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    known = {"advice": NOTHING, "changed": (), **more}
    return manifest_of(
        edit,
        RELEASE,
        "x",
        found,
        symbols or {},
        known["advice"],
        ("x.c",),
        (),
        known["changed"],
        "main",
    )


def test_each_object_has_its_functions_and_symbols() -> None:
    made = drafted(
        edit_of(),
        [target("f"), target("g", "loop", sympos=2), target("h")],
        {"loop": {"b": {}, "a": {"sympos": 3}}, "ext4": {"c": {}}, "vmlinux": {}},
    )
    assert made["objects"] == [
        {
            "name": "vmlinux",
            "functions": [{"old": "f", "new": "lp_f"}, {"old": "h", "new": "lp_h"}],
        },
        {
            "name": "loop",
            "functions": [{"old": "g", "new": "lp_g", "sympos": 2}],
            "symbols": [{"name": "a", "sympos": 3}, "b"],
        },
        {"name": "ext4", "symbols": ["c"]},
    ]
    assert "hooks" not in made["objects"][0]


def test_data_that_changes_has_hooks_even_if_no_function_is_replaced() -> None:
    made = drafted(edit_of(), (), advice=replace(NOTHING, data=("table",)))
    assert made["objects"] == [
        {"name": "main", "hooks": {"pre_patch": "lp_pre_patch", "post_unpatch": "lp_post_unpatch"}}
    ]


def test_the_fix_is_named_as_far_as_it_is_known() -> None:
    edit = replace(edit_of(), text=b"diff", cve="CVE-2026-0001", commit="a" * 40)
    made = drafted(edit, [target("f")], changed=("f",))
    assert made["follows"] == "change.diff"
    assert made["fixes"] == [{"cve": "CVE-2026-0001", "commit": "a" * 40, "functions": ["f"]}]
    assert "fixes" not in drafted(replace(edit_of(), text=b"diff"), [target("f")])
    assert "follows" not in drafted(edit_of(), [target("f")], changed=("f",))


@pytest.mark.parametrize(
    "author", ["Jo: Doe # x", "'\"", "- x", "J\u00f6\u2028", "yes", "1", "{a}", "&a *b"]
)
def test_the_text_is_read_back_as_it_was_meant(author: str) -> None:
    made = drafted(replace(edit_of(), author=author, subject=author), [target("f")])
    text = manifest_text(made)
    assert yaml.safe_load(text) == made
    assert text.startswith("# SPDX-License-Identifier: MIT\n")
