# SPDX-License-Identifier: MIT
import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2
import pytest

from lppack import resources
from lppack.model import Effective, Fix, SourceTree, WorldTransform
from lppack.model.plan import info_json
from lppack.rules.files import GENERATED
from lppack.stages.generate import generate, write
from lppack.stages.load import load
from tests.kit.c_text import string_after
from tests.kit.samples import manifest, plan
from tools import golden

TRICKY = 'say "hi", C:\\new\\0, ??/ ??=, %s %n, */ //, é 李 🐧, {{ 7*7 }}, $(id), 007é1'


@pytest.mark.parametrize("example", golden.EXAMPLES)
def test_the_rendered_files_are_the_golden_ones(example: str) -> None:
    made = golden.rendered(example)
    assert golden.differences(golden.GOLDEN / example, made) == []
    assert made == golden.kept(golden.GOLDEN / example)


def test_a_difference_is_seen(tmp_path: Path) -> None:
    made = golden.rendered("proc-cmdline")
    folder = tmp_path / "proc-cmdline"
    assert golden.differences(folder, made)
    golden.update(folder, made)
    assert golden.differences(folder, made) == []
    (folder / "lp_glue.c").write_text(made["lp_glue.c"] + "\n")
    assert golden.differences(folder, made)
    golden.update(folder, made)
    (folder / "stale.c").write_text("int x;\n")
    assert golden.differences(folder, made)
    golden.update(folder, made)
    assert golden.kept(folder) == made


def test_the_tool_says_whether_they_differ() -> None:
    tool = [sys.executable, str(golden.ROOT / "tools/golden.py")]
    done = subprocess.run(tool, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def glue(tree: SourceTree) -> str:
    return dict(tree.files)["lp_glue.c"]


def test_text_of_the_author_comes_back_from_c() -> None:
    of = manifest(description=TRICKY, author=f"Jo {TRICKY}")
    text = glue(generate(plan(of)))
    assert string_after(text, "MODULE_DESCRIPTION(") == TRICKY
    assert string_after(text, "MODULE_AUTHOR(") == f"Jo {TRICKY}"
    assert string_after(text, "MODULE_LICENSE(") == "GPL v2"
    assert text.isascii()


def test_what_the_module_tells_of_itself_comes_back() -> None:
    fix = Fix(cve="CVE-2026-1", commit=None, functions=("a",), effective=Effective.CONVERTED)
    made = plan(manifest(fixes=(fix,)))
    made = replace(made, info=info_json(made))
    told = json.loads(string_after(glue(generate(made)), "lp_info[] ="))
    assert told == json.loads(made.info)
    assert told["fixes"][0]["cve"] == "CVE-2026-1"


def test_the_exact_kernel_is_in_the_module() -> None:
    made = plan(manifest())
    made = replace(made, kernel=replace(made.kernel, version='#1 "quoted" \\ build'))
    text = glue(generate(made))
    assert string_after(text, "release[] __initconst =") == made.kernel.release
    assert string_after(text, "version[] __initconst =") == '#1 "quoted" \\ build'


@pytest.mark.parametrize("char", ["\n", "\0", "\x1b", "\x7f"])
def test_control_characters_are_refused(char: str) -> None:
    with pytest.raises(ValueError, match="cannot be quoted in C"):
        generate(plan(manifest(description=f"a{char}b")))


def test_a_word_that_the_plan_does_not_have_is_an_error() -> None:
    @dataclass
    class Half:
        module: str = "lppack_x_1"

    with pytest.raises(jinja2.UndefinedError, match="objects"):
        resources.render("module/Kbuild.j2", plan=Half())


def test_which_files_there_are() -> None:
    def names(example: str, *, test_points: bool = False) -> set[str]:
        document = load(resources.examples() / example)
        return {
            name for name, _ in generate(golden.plan_of(document, test_points=test_points)).files
        }

    plain = {"Kbuild", "lp_functions.h", "lp_glue.c", "lp_runtime.h", "lp_series.c", "lppack.h"}
    assert names("proc-cmdline") == plain | {"lp_unload.c"}
    assert names("conn-limit") == plain | {"lp_convert.c", "lp_unload.c"}
    everything = names("conn-limit", test_points=True)
    assert everything == plain | {"lp_convert.c", "lp_test_point.c", "lp_unload.c"}
    world = names("ledger")
    assert plain | {"lp_world.c", "lp_world.h"} <= world
    assert everything | world <= set(GENERATED), "an author's file may have that name"


def test_a_transform_of_vmlinux_that_needs_no_more(tmp_path: Path) -> None:
    world = WorldTransform(
        name="thing",
        object=None,
        type="struct thing",
        marker="lp_is_new",
        for_each="lp_each",
        prepare=None,
        check=None,
        forward="lp_up",
        reverse="lp_down",
        finish=None,
        max_stop_ms=7,
    )
    made = plan(manifest(tmp_path, world=(world, replace(world, name="other", object="loop"))))
    text = dict(generate(made).files)["lp_world.c"]
    tables = text.split("struct lpe_transform lp_world[] = {")[1].split("}")[0:2]
    assert [re.findall(r"\.(\w+) = ", table) for table in tables] == [
        ["name", "max_stop_ms", "for_each", "is_new", "forward", "reverse"],
        ["name", "object", "max_stop_ms", "for_each", "is_new", "forward", "reverse"],
    ]


def test_kbuild_links_what_is_there() -> None:
    document = load(resources.examples() / "conn-limit")
    for test_points in (False, True):
        tree = generate(golden.plan_of(document, test_points=test_points))
        found = re.search(r"^lppack_conn_limit_1-y := (.*)$", dict(tree.files)["Kbuild"], re.M)
        assert found
        have = {name for name, _ in (*tree.files, *tree.copies) if name.endswith(".c")}
        assert {word.removesuffix(".o") + ".c" for word in found[1].split()} == have


def test_files_are_in_order_and_end_with_a_line() -> None:
    tree = generate(golden.plan_of(load(resources.examples() / "conn-limit")))
    assert [name for name, _ in tree.files] == sorted(name for name, _ in tree.files)
    assert [name for name, _ in tree.copies] == ["conn_ext.h", "conn_limit.c", "target/conn.h"]
    for name, text in tree.files:
        assert text.endswith("\n"), name
        assert not re.search(r"\n\n\n|[ \t]\n|\{\{|\{%", text), name


def test_the_authors_file_is_copied_and_never_rendered(tmp_path: Path) -> None:
    text = b"/* {{ plan.module }} {% raise %} \xff */\n"
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.c").write_bytes(text)
    tree = generate(plan(manifest(tmp_path, sources=("src/a.c",))))
    write(tree, tmp_path / "out")
    assert (tmp_path / "out/src/a.c").read_bytes() == text
    assert (tmp_path / "out/lp_glue.c").read_text() == glue(tree)


def test_the_same_plan_gives_the_same_files() -> None:
    document = load(resources.examples() / "conn-limit")
    assert generate(golden.plan_of(document)) == generate(golden.plan_of(document))
