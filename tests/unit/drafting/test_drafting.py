# SPDX-License-Identifier: MIT
"""Which functions are replaced, and what is written of them."""

from dataclasses import replace
from pathlib import Path

from lppack.csource.changes import Changes, compare
from lppack.csource.parse import parse
from lppack.drafting.advice import advise, refused, stubs, words
from lppack.drafting.edit import Edit
from lppack.drafting.extract import extract
from lppack.drafting.headers import Private
from lppack.drafting.manifest import manifest_of
from lppack.drafting.places import Places
from lppack.drafting.text import c_text
from lppack.drafting.wired import wired_of
from lppack.kernel.btf import Layout
from lppack.kernel.exports import Export
from lppack.kernel.symbols import Symbol
from lppack.rules.folder import problems_of
from tests.kit.c_sample import FILE, known
from tests.kit.fake_facts import FakeFacts, symbol
from tests.kit.samples import RELEASE, document, full
from tests.unit.drafting.code import file_of, function, variable

HEADER = parse("fs/small.h", "struct other {\n\tint x;\n};\nint used_elsewhere(void);\n")


class Small(FakeFacts):
    """A kernel with fs/small.c in it; `table` is exported, `helper` is where a test puts it."""

    def __init__(self, *symbols: Symbol, module: str | None = None) -> None:
        super().__init__({"vmlinux": [], module or "small": []})
        self.objects[module or "vmlinux"] += symbols

    def exported(self, name: str) -> Export | None:
        if name != "mutex_lock":
            return None
        return Export(name=name, gpl=False, module=None, namespace=None)

    def modules_with(self, function: str) -> tuple[str, ...]:
        others = (name for name in self.objects if name != "vmlinux")
        return tuple(name for name in others if self.module_copies(name, function))

    def module_folder(self, module: str) -> str | None:
        return "drivers/tiny" if module == "far" else "fs"

    def layouts(self, name: str, *, module: str | Path | None = None) -> tuple[Layout, ...]:
        return (Layout(name=name, size=16, members=()),) if name == "struct thing" else ()


def changes(new: str, old: str = FILE) -> Changes:
    return compare(parse("fs/small.c", old, known), parse("fs/small.c", new, known))


TWICE = changes(FILE.replace("2 * x", "2 * (x)"))


def places_of(*names: str, module: str | None = None, data: tuple[str, ...] = ()) -> Places:
    """A kernel in which the file compiled to functions ``names`` and variables ``data``."""
    symbols = [symbol(name) for name in (*names, *data)]
    code = file_of(*map(function, names), *map(variable, data))
    return Places(Small(*symbols, module=module), module or "vmlinux", code)


FUNCTIONS, DATA = ("helper", "show", "__do_sys_small"), ("lock", "used", "table")
WHOLE = places_of(*FUNCTIONS, data=DATA)


def here(_path: str) -> Places:
    return WHOLE


def text_of(edit: Changes, replaced: list[str], *stub: str) -> str:
    made = extract(edit, {name: f"lp_{name}" for name in replaced}, WHOLE, {})
    private = Private(made, {"fs/small.h": HEADER}.get)
    return c_text(made, "/* head */", private, wired_of(made, WHOLE), stubs=stub)


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


def test_a_private_header_is_taken_where_it_is_used() -> None:
    edit = changes(FILE.replace("twice(t->count)", "twice(sizeof(struct other))"))
    made = extract(edit, {"helper": "lp_helper"}, WHOLE, {})
    assert Private(made, {"fs/small.h": HEADER}.get).folders == ("fs",)
    assert '#include "kernel_headers/fs/small.h"' in text_of(edit, ["helper"])


def test_a_constant_without_an_address_is_copied() -> None:
    places = places_of(*FUNCTIONS, data=(*DATA, "most"))
    for use, symbols in (("most", {}), ("*&most", {"most": None})):
        edit = changes(FILE.replace("twice(t->count)", use))
        made = extract(edit, {"helper": "lp_helper"}, places, {})
        assert made.symbols == symbols


def test_a_private_header_with_others_in_it_is_kept() -> None:
    edit = changes(FILE.replace("twice(t->count)", "1"))
    made = extract(edit, {"helper": "lp_helper"}, WHOLE, {})
    others = {"fs/small.h": parse("fs/small.h", "#include <linux/more.h>\n")}
    assert Private(made, others.get).folders == ("fs",)
    alone = {"fs/small.h": parse("fs/small.h", "int x;\n")}
    assert Private(made, alone.get).folders == ()


def test_calls_among_replacements_go_to_replacements() -> None:
    text = text_of(changes(FILE.replace("2 * x", "x")), ["helper", "show"])
    assert "used += lp_helper(t) + most;" in text
    assert "int lp_helper(struct thing *t);" in text
    assert "static int lp_helper" not in text


def test_data_is_recognised() -> None:
    layout = advise([changes(FILE.replace("int count;", "int count;\n\tint more;"))], here)
    [thing] = layout.layouts
    assert (thing.type, thing.size, thing.gained) == ("struct thing", 16, ("more",))
    assert "of 16 bytes" in next(words(layout))
    new = advise(
        [changes(FILE.replace("enum state", "struct fresh { int x; };\nenum state"))], here
    )
    assert [(x.type, x.size) for x in new.layouts] == [("struct fresh", None)]
    data = advise([changes(FILE.replace(".count = OFF", ".count = ON"))], here)
    assert data.data == ("table",)
    counted = advise([changes(FILE.replace("return twice", "t->count++;\n\treturn twice"))], here)
    assert counted.counters == ("count",)
    for advice in (layout, new, data, counted):
        assert advice.changes_data and stubs(advice) and not refused(advice)
    assert text_of(TWICE, ["helper"], *stubs(data)).count("#error") == 1
    plain = advise([TWICE], here)
    assert not plain.changes_data and not stubs(plain) and not list(words(plain))


def test_a_count_that_only_moves_is_the_same() -> None:
    old = FILE.replace("return twice", "t->count++;\n\treturn twice")
    new = FILE.replace("mutex_lock(&lock);", "t->count++;\n\tmutex_lock(&lock);")
    assert advise([changes(new, old)], here).counters == ()


def test_locking_and_layout_together_are_refused() -> None:
    both = FILE.replace("int count;", "int count;\n\trefcount_t refs;")
    both = both.replace("mutex_unlock(&lock);", "mutex_unlock(&other);")
    advice = advise([changes(both)], here)
    [no] = refused(advice)
    assert no.what == "show"
    assert "struct thing (16 bytes; +refs)" in no.why
    assert no.way
    only_locks = advise(
        [changes(FILE.replace("mutex_unlock(&lock);", "mutex_unlock(&o);"))],
        here,
    )
    assert not refused(only_locks)
    assert "the locking in show changes" in next(words(only_locks))


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


def test_a_private_header_that_another_needs_is_taken_too() -> None:
    old = FILE.replace('#include "small.h"', '#include "limits.h"\n#include "small.h"')
    edit = changes(old.replace("twice(t->count)", "twice(sizeof(struct other))"), old)
    made = extract(edit, {"helper": "lp_helper"}, WHOLE, {})
    headers = {
        "fs/limits.h": parse("fs/limits.h", "#define MOST 4\n"),
        "fs/small.h": parse("fs/small.h", "struct other {\n\tint x[MOST];\n};\n"),
    }
    private = Private(made, headers.get)
    text = c_text(made, "/* */", private, wired_of(made, WHOLE))
    assert '#include "kernel_headers/fs/limits.h"\n#include "kernel_headers/fs/small.h"' in text


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


def test_a_variable_that_is_called_like_a_struct_is_told_apart() -> None:
    data = [replace(symbol(name), type="d") for name in ("thing", "other")]
    places = Places(Small(*data, module="small"), "small", file_of())
    code = Places(Small(symbol("thing"), module="small"), "small", file_of())
    assert not code.is_a_tag("thing", "small")
    assert places.is_a_tag("thing", "small") and not places.is_a_tag("thing", "vmlinux")
    assert not places.is_a_tag("other", "small")
