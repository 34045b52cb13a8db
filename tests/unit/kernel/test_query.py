# SPDX-License-Identifier: MIT
"""What is said of a function, and which way out."""

from pathlib import Path

import pytest

from lppack.kernel.facts import Facts, SymbolVerdict
from lppack.kernel.query import Answer, query
from lppack.model import Kernel
from tests.kit.command import check_shape, lppack


def ask(facts: Facts, name: str, object_: str = "vmlinux") -> Answer:
    (answer,) = query(facts, [name], object_)
    assert (answer.name, answer.object, answer.inlining) == (name, object_, "unchecked")
    return answer


def test_a_patchable_function(facts: Facts) -> None:
    answer = ask(facts, "alpha_open")
    assert (answer.verdict, answer.hint) == (SymbolVerdict.PATCHABLE, None)
    assert answer.prototype == "int alpha_open(int x)"
    assert [copy.sympos for copy in answer.copies] == [1]


@pytest.mark.parametrize(
    ("name", "object_", "verdict", "hint"),
    [
        (
            "s_show",
            "vmlinux",
            SymbolVerdict.AMBIGUOUS,
            "sympos 1 stands between alpha_open and native_clock; "
            "sympos 2 stands between beta_open and split_me.isra.0 (not traceable); "
            "declared as int s_show(int first) or int s_show(int second)",
        ),
        (
            "dup_helper",
            "victim_mod",
            SymbolVerdict.AMBIGUOUS,
            "sympos 1 stands between before and between; "
            "sympos 2 stands between between and with_endbr (not traceable)",
        ),
        ("split_me", "vmlinux", SymbolVerdict.CLONE_ONLY, "only split_me.isra.0 is left of it"),
        ("work", "victim_mod", SymbolVerdict.CLONE_ONLY, "only work.isra.0 is left of it"),
        ("native_clock", "vmlinux", SymbolVerdict.UNTRACEABLE, "it has no fentry call"),
        (
            "cpu_number",
            "vmlinux",
            SymbolVerdict.UNTRACEABLE,
            "it is a variable: list it under `symbols`",
        ),
        ("start_here", "vmlinux", SymbolVerdict.INIT, "it is __init"),
        ("init_module", "victim_mod", SymbolVerdict.INIT, "it is __init"),
        ("proc_name_show", "vmlinux", SymbolVerdict.PATCHABLE, "also named proc_name_alias"),
        ("exported", "vmlinux", SymbolVerdict.MISSING, "it is in module plain, victim_mod"),
        ("counter", "vmlinux", SymbolVerdict.MISSING, "it is a variable of module"),
        ("alpha_open", "victim_mod", SymbolVerdict.MISSING, "it is in vmlinux"),
        ("alpha_opne", "vmlinux", SymbolVerdict.MISSING, "did you mean alpha_open?"),
        ("qqqq", "vmlinux", SymbolVerdict.MISSING, "if vmlinux has such a function, it is inlined"),
    ],
)
def test_hints(facts: Facts, name: str, object_: str, verdict: SymbolVerdict, hint: str) -> None:
    answer = ask(facts, name, object_)
    assert answer.verdict is verdict
    assert answer.hint
    assert hint in answer.hint


def test_prototypes_that_differ_are_not_told_as_one(facts: Facts) -> None:
    assert ask(facts, "s_show").prototype is None


def test_a_module_by_its_path(facts: Facts, kernel: Kernel) -> None:
    path: Path = kernel.modules / "kernel/victim-mod.ko"
    assert ask(facts, "exported", str(path)).prototype == "void exported(struct own own)"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("alpha_open",), 0),
        (("alpha_open", "s_show", "nothing"), 9),
        (("exported", "--object", "victim_mod"), 0),
        (("exported", "--object", "other"), 4),
    ],
)
def test_the_command(kernel: Kernel, words: tuple[str, ...], code: int) -> None:
    kernel.config.write_text("CONFIG_LIVEPATCH=y\n")
    ran = lppack("facts", *words, "--kernel", kernel.root, "--format", "json")
    assert ran.rc == code, ran.err
    check_shape("facts" if code != 4 else "error", ran.json)
    assert ran.json["ok"] is (code == 0)
    text = lppack("facts", *words, "--kernel", kernel.root)
    assert text.rc == code
    if code == 0:
        assert text.out.splitlines()[0] == f"{words[0]} in {words[-1]}: patchable".replace(
            f"in {words[0]}", "in vmlinux"
        )
