# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from lppack.rules.folder import problems_of
from lppack.stages.load import load
from tests.kit.command import ROOT
from tests.kit.samples import document, full, patch_folder
from tests.unit.rules.cases import CodeCase, title
from tests.unit.rules.every_case import of_kind


@pytest.mark.parametrize("case", of_kind(CodeCase), ids=title)
def test_rule(case: CodeCase) -> None:
    faults = case.found()
    assert sorted(fault.spot[1][0] if fault.spot else 0 for fault in faults) == case.lines
    assert all(fault.message for fault in faults)


def test_a_problem_stands_in_the_c_file(tmp_path: Path) -> None:
    folder = patch_folder(tmp_path)
    (folder / "ext.h").write_text("/* é */\n")
    text = (folder / "conn.c").read_text()
    (folder / "conn.c").write_text(f"/* ü */ EXPORT_SYMBOL(x);\n{text}")
    (problem,) = problems_of(document(full(), folder))
    assert (problem.file, problem.line, problem.column) == (str(folder / "conn.c"), 1, 9)
    assert problem.rule == "nothing-is-exported"


@pytest.mark.parametrize("name", ["conn-limit", "proc-cmdline"])
def test_the_examples_have_not_even_a_warning(name: str) -> None:
    assert problems_of(load(ROOT / "examples" / name)) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{" * 5000,
        "}" * 5000,
        "(" * 5000,
        "/*" * 5000,
        '"' * 4999,
        "'" * 4999,
        "#" * 5000,
        "\\\n" * 5000,
        "f(" * 3000 + "{",
        "= lp_a " * 3000,
        "struct conn * " * 3000,
        "\ufeff int f(void) {",
        "#define \\\n",
    ],
)
def test_what_is_not_c_is_read_without_harm(text: str, tmp_path: Path) -> None:
    folder = patch_folder(tmp_path)
    (folder / "conn.c").write_text(text)
    problems_of(document(full(), folder))
