# SPDX-License-Identifier: MIT
"""What of its file a replacement needs."""

from lppack.drafting.extract import extract
from tests.kit.c_sample import FILE
from tests.unit.drafting.small import DATA, FUNCTIONS, WHOLE, changes, places_of, text_of


def test_what_a_function_needs_and_nothing_else() -> None:
    edit = changes(FILE.replace("helper(t) + most", "twice(most)"))
    made = extract(edit, {"show": "lp_show"}, WHOLE, {})
    assert made.symbols == {"lock": None, "used": None}
    assert made.copies == ["twice"]
    assert made.notes[0].startswith("show has static data of its own (calls)")
    text = text_of(edit, ["show"])
    assert '#define pr_fmt(fmt) "small: " fmt' in text
    assert "CREATE_TRACE_POINTS" not in text
    assert "#include <trace/events/small.h>" in text
    assert "extern struct mutex lock;" in text
    assert "extern int used;" in text
    assert "enum state { OFF, ON = LIMIT };" in text
    assert "#define BASE 3" in text
    assert "static inline int twice(int x)" in text
    assert "int\nlp_show(struct thing *t" in text
    for absent in ("table", "small_init", "helper", "fs/small.h", "__do_sys"):
        assert absent not in text


def test_what_only_conditions_name_is_needed_as_well() -> None:
    """Without it, the compiler would take the branch of #else."""
    old = FILE.replace(
        "#define BASE 3", "#define BASE 3\n#ifdef ARCH\n#define OTHERS (BASE)\n#endif"
    )
    old = old.replace(
        "static int helper(struct thing *t)\n{",
        "#if defined(OTHERS) && OTHERS > 2\nstatic void more(void) { }\n#else\n#define more()\n"
        "#endif\nstatic int helper(struct thing *t)\n{",
    )
    text = text_of(changes(old.replace("return twice", "more();\n\treturn twice"), old), ["helper"])
    assert "#if defined(ARCH)\n#define OTHERS (BASE)\n#endif" in text
    assert "#define BASE 3" in text and "#define LIMIT" not in text


def test_a_constant_without_an_address_is_copied() -> None:
    places = places_of(*FUNCTIONS, data=(*DATA, "most"))
    for use, symbols in (("most", {}), ("*&most", {"most": None})):
        edit = changes(FILE.replace("twice(t->count)", use))
        made = extract(edit, {"helper": "lp_helper"}, places, {})
        assert made.symbols == symbols


def test_a_static_call_of_the_kernel_is_declared_and_keeps_its_name() -> None:
    """To define it once more would give the patch one that calls nothing."""
    calls = "DEFINE_STATIC_CALL_NULL(show, *table.show);\nDEFINE_STATIC_CALL_RET0(other, helper);\n"
    old = FILE.replace("static int helper", f"{calls}static int helper", 1)
    edit = changes(
        old.replace("helper(t) + most", "static_call(show)(t) + static_call_query(gone)"), old
    )
    text = text_of(edit, ["show"])
    assert "DECLARE_STATIC_CALL(show, *table.show);" in text
    assert "static_call(show)(t)" in text
    assert "lp_show(struct thing *t" in text
    assert "DEFINE_STATIC_CALL" not in text and "other" not in text
