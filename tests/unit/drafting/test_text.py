# SPDX-License-Identifier: MIT
"""An extract as C text."""

import pytest

from lppack.csource.scan import tokens
from lppack.drafting.edit import BYTES
from lppack.drafting.extract import extract
from lppack.drafting.headers import Private
from lppack.drafting.text import built_as, c_text, comment
from lppack.drafting.wired import wired_of
from tests.kit.c_sample import FILE
from tests.unit.drafting.small import (
    DATA,
    FUNCTIONS,
    WHOLE,
    changes,
    places_of,
    text_of,
)


def test_calls_among_replacements_go_to_replacements() -> None:
    text = text_of(changes(FILE.replace("2 * x", "x")), ["helper", "show"])
    assert "used += lp_helper(t) + most;" in text
    assert "int lp_helper(struct thing *t);" in text
    assert "static int lp_helper" not in text


@pytest.mark.parametrize(
    "words",
    [
        "arch/*/kernel: fix it",
        "fix it */ int x; /* and more",
        "a /*/ b */*/* c **//**/",
        "*/" * 60,
        f"{'x' * 89}*/ int x;",
        "Füße \N{EN DASH} nicht */",
    ],
)
def test_no_words_of_a_mail_end_the_comment(words: str) -> None:
    text = comment(words).encode(BYTES).decode()
    [(kind, _, whole)] = tokens(text)
    assert (kind, whole) == ("comment", text)
    assert "/*" not in text[2:]
    assert "".join(text.split()).replace("*", "").replace("/", "") == "".join(
        words.split()
    ).replace("*", "").replace("/", "")


def test_names_of_the_file_and_its_module_are_those_of_its_build() -> None:
    flags = ['-DKBUILD_MODNAME="r8169"', '-DKBUILD_BASENAME="r8169_main"', "-DMODULE", "-O2"]
    flags += ['-DKBUILD_MODFILE="drivers/net/r8169"', "-D__KBUILD_MODNAME=kmod_r8169"]
    edit = changes(FILE.replace("2 * x", "x"))
    made = extract(edit, {"helper": "lp_helper"}, WHOLE, {})
    private, wired = Private(made, lambda _path: None), wired_of(made, WHOLE)
    text = c_text(made, "/* */", private, wired, built_as=built_as(flags))
    above, _, below = text.partition("#include")
    for name, value in (
        ("MODNAME", "r8169"),
        ("BASENAME", "r8169_main"),
        ("MODFILE", "drivers/net/r8169"),
    ):
        assert f'#undef KBUILD_{name}\n#define KBUILD_{name} "{value}"\n' in above
    assert "KBUILD" not in below and "MODULE" not in text and "kmod" not in text


def test_what_is_built_in_is_compiled_as_such() -> None:
    """Headers have other values for a module: PROC_ENTRY_PERMANENT is 0 there (proc_fs.h)."""
    edit = changes(FILE.replace("twice(t->count)", "thrice(t->count)"), FILE)
    made = extract(edit, {"helper": "lp_helper"}, WHOLE, {})
    private, wired = Private(made, lambda _path: None), wired_of(made, WHOLE)
    text = c_text(made, "/* */", private, wired, built_in=True)
    first = [
        "#include <linux/static_call_types.h>",
        "#undef MODULE /* built in, as what it replaces */",
    ]
    assert [line for line in text.splitlines() if line.startswith("#")][:2] == first
    assert "MODULE" not in c_text(made, "/* */", private, wired)


def test_what_is_declared_before_it_is_defined_is_declared_there() -> None:
    late = "static int late(int x)"
    old = FILE.replace("static int used", f"{late};\nstatic int used")
    old = old.replace("static int __init", f"{late}\n{{\n\treturn x;\n}}\n\nstatic int __init")
    edit = changes(old.replace("twice(t->count)", "late(t->count)"), old)
    made = extract(edit, {"helper": "lp_helper"}, places_of(*FUNCTIONS, "late", data=DATA), {})
    places = places_of()
    text = c_text(made, "/* */", Private(made, lambda _path: None), wired_of(made, places))
    assert text.index("extern int late(int x);") < text.index("int lp_helper(")
    assert text.count("late(int x)") == 1


def test_a_macro_that_means_static_is_read_as_such() -> None:
    """XFS writes STATIC, which is "static noinline": a replacement has neither."""
    old = FILE.replace("static int helper(struct thing *t)", "STATIC int helper(struct thing *t)")
    edit = changes(old.replace("twice(t->count)", "twice(t->count + 1)"), old)
    assert edit.after.functions["helper"].static
    text = text_of(edit, ["helper"])
    assert "\nint lp_helper(struct thing *t)\n{" in text and "STATIC" not in text
    assert "static STATIC" not in text_of(edit, ["show"])
