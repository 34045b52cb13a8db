# SPDX-License-Identifier: MIT
from dataclasses import replace
from pathlib import Path

import pytest

from lppack.consistency import ModeName, mode_named
from lppack.elf.dwarf import CompiledTypes
from lppack.model import FunctionPatch, ObjectPatch
from lppack.rules.compiled import compiled_problems
from tests.kit.samples import manifest, plan
from tests.unit.rules.cases import title
from tests.unit.rules.compiled_cases import CASES, CompiledCase, KnownTypes
from tests.unit.rules.every_case import of_kind

PLAN = plan(
    manifest(),
    mode=mode_named(ModeName.REFCOUNT),
    modules=(
        ObjectPatch(
            name="conn",
            functions=(
                FunctionPatch(old="conn_open", new="lp_conn_open", sympos=None, words=6),
                FunctionPatch(old="s_show", new="lp_s_show", sympos=2, words=6),
            ),
        ),
        ObjectPatch(name="built_for_the_test", functions=()),
    ),
)


@pytest.mark.parametrize("case", of_kind(CompiledCase), ids=title)
def test_rule(case: CompiledCase) -> None:
    said = list(case.rule(case.compiled, PLAN, KnownTypes()))
    assert bool(said) is case.fails
    assert all(case.says in found.text for found in said)


def test_all_that_is_wrong_is_said_at_once() -> None:
    known = KnownTypes()
    said = [text for case in CASES for text in compiled_problems(case.compiled, PLAN, known)]
    assert len(said) == sum(case.fails for case in CASES)


def test_a_problem_stands_at_the_authors_line(tmp_path: Path) -> None:
    source = "#include <linux/fs.h>\n\nint lp_conn_open(struct conn *c,\n\t\t bool how)\n{\n}\n"
    header = "int lp_conn_open(struct conn *c, bool how);\n\nstruct file {\n};\n"
    (tmp_path / "conn.c").write_text(source)
    (tmp_path / "ext.h").write_text(header)
    patch = replace(PLAN.manifest, path=tmp_path / "manifest.yaml", sources=("conn.c",))
    made = replace(PLAN, manifest=replace(patch, headers=("ext.h",)))
    compiled = (("lp_conn_open", ("s32", "struct conn *", "bool")),)
    [problem] = compiled_problems(
        CompiledTypes(layouts=(), signatures=compiled), made, KnownTypes()
    )
    assert (problem.file, problem.line) == (str(tmp_path / "conn.c"), 3)
    assert problem.rule == "replacements-have-the-originals-prototypes"
    assert problem.hint == "write: int lp_conn_open(struct conn *c)"
    [layout] = [case.compiled for case in CASES if case.title == "longer"]
    [problem] = compiled_problems(layout, made, KnownTypes())
    assert (problem.file, problem.line) == (str(tmp_path / "ext.h"), 3)
    gone = replace(made, manifest=replace(patch, sources=(), headers=()))
    [problem] = compiled_problems(layout, gone, KnownTypes())
    assert (problem.file, problem.line) == (str(tmp_path / "manifest.yaml"), 1)
