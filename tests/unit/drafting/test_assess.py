# SPDX-License-Identifier: MIT
"""What a live patch of a change has to replace, and what stands against it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import pytest

from lppack.csource.changes import Changes, compare
from lppack.csource.parse import parse
from lppack.drafting.account import Fate
from lppack.drafting.assess import Assessment, assess, touched_by
from lppack.drafting.edit import Edit
from lppack.kernel.facts import Facts
from lppack.proof.affected import Affected
from lppack.proof.compare import UnitDifference
from lppack.proof.kbuild import Unit
from lppack.proof.match import Matched
from lppack.proof.objects import Data, Function, ObjectFile
from lppack.proof.prover import Comparison, Prover
from tests.kit.fake_facts import symbol
from tests.unit.drafting.code import difference, function, variable
from tests.unit.drafting.small import Small

PATH = "fs/small.c"
OLD = """\
static int helper(int x)
{
	return x;
}

int show(int x)
{
	return helper(x);
}
"""
NEW = b"\x90\x90"
FACTS = Small(*(symbol(name) for name in ("helper", "show", "moved")))


class Kernel:
    """What a Prover knows of the running kernel: its functions are those of the sources, but
    ``other``."""

    def __init__(self, *other: str) -> None:
        self._other = other

    def match(self, object_: str, code: ObjectFile) -> Mapping[str, Matched]:
        return {
            name: Matched(name=name, symbol=None, why="other code")
            if name in self._other
            else Matched(name=name, symbol=next(iter(FACTS.copies(name)), None))
            for name in code.functions
        }


def changes(now: str, was: str = OLD, path: str = PATH) -> Changes:
    return compare(parse(path, was), parse(path, now))


def assessed(
    every: Sequence[Changes],
    units: Sequence[UnitDifference],
    *other: str,
    too_many: bool = False,
    new: Sequence[str] = (),
    facts: Facts = FACTS,
) -> Assessment:
    texts = {one.before.path: one for one in every}
    files = {
        path: (None if path in new else one.before.text.encode(), one.after.text.encode())
        for path, one in texts.items()
    }
    edit = Edit(changes=tuple(every), files=files, subject="x", text=b"")
    comparison = Comparison(
        affected=Affected(paths=tuple(texts), names=()),
        units=tuple(units),
        not_built=(),
        built_apart=(),
        too_many=too_many,
    )
    return assess(edit, comparison, cast(Prover, Kernel(*other)), facts, texts.get)


def own(code: bytes = b"\x90") -> list[Function | Data]:
    return [function("helper", code=code), function("show", "helper", static=False)]


EDIT = changes(OLD.replace("return x;", "return -x;"))


def test_what_differs_is_replaced() -> None:
    found = assessed([EDIT], [difference(own(), own(NEW))])
    assert [(t.name, t.object, t.sympos) for t in found.targets] == [("helper", "vmlinux", None)]
    assert (found.cannot, found.left_out, found.mismatches) == ((), (), ())
    assert [(line.what, line.fate) for line in found.lines] == [("helper", Fate.CARRIED)]
    assert found.first is found.places[PATH, "vmlinux"]


def test_where_the_code_is_the_same_there_is_nothing_to_replace() -> None:
    found = assessed([EDIT], [difference(own(), own())])
    assert found.targets == () and found.left_out == ()
    assert [line.fate for line in found.lines] == [Fate.NO_EFFECT]


def test_a_kernel_that_was_built_from_other_sources_is_a_doubt() -> None:
    found = assessed([EDIT], [difference(own(), own(NEW))], "show")
    [doubt] = found.mismatches
    assert doubt == f"1 of 2 functions of {PATH} are not as in vmlinux: show: other code"
    assert assessed([EDIT], [], too_many=True).mismatches == (
        "more C files may be affected than were compiled",
    )


def test_what_may_be_another_variable_or_type_is_a_doubt() -> None:
    header = changes("enum how { ON, OFF = -1 };\n", "enum how { ON };\n", "include/how.h")
    added = replace(
        difference([], [variable("count")]),
        unit=Unit(path="fs/new.c", objects=("vmlinux",), flags=()),
    )
    every = [EDIT, header, changes("static int count;\n", "", "fs/new.c")]
    found = assessed(every, [difference([*own(), variable("count")], own(NEW)), added])
    assert [text.partition(" in ")[0] for text in found.mismatches] == [
        "count is static",
        "enum how",
    ]
    [doubt] = assessed(
        [EDIT, every[2]], [difference([*own(), variable("count")], own(NEW))], new=["fs/new.c"]
    ).mismatches
    assert "new: count of fs/new.c" in doubt


def test_what_does_not_compile_replaces_nothing_and_is_left_out() -> None:
    broken = replace(difference(own(), []), after=None, error="error: x")
    found = assessed([EDIT], [broken])
    assert found.targets == ()
    assert [line.why for line in found.left_out] == [f"{PATH} does not compile: error: x"]


def test_functions_of_one_name_have_replacements_of_distinct_names() -> None:
    other = "net/other-one.c"
    every = [EDIT, changes(EDIT.after.text, path=other)]
    units = [
        difference(own(), own(NEW)),
        replace(difference(own(), own(NEW)), unit=Unit(path=other, objects=("vmlinux",), flags=())),
    ]
    names = [target.replacement for target in assessed(every, units).targets]
    assert names == ["lp_small_helper", "lp_other_one_helper"]


def test_data_whose_contents_are_the_same_needs_no_hook() -> None:
    text = f"static int limit = 1;\n\n{OLD}"
    edit = changes(text.replace("= 1", "= 0 + 1"), text)
    had = [*own(), variable("limit")]
    assert assessed([edit], [difference(had, had)]).advice.data == ()
    differs = difference(had, [*own(), variable("limit", contents=b"\2")])
    found = assessed([edit], [differs])
    assert found.advice.data == ("limit",)
    assert "a person must write a hook" in found.left_out[0].why


def test_a_function_that_moved_to_a_file_of_another_object_cannot_be_replaced_there() -> None:
    gone = "int moved(int x)\n{\n\treturn x;\n}\n"
    every = [changes(OLD, OLD + gone), changes(gone.replace("x;", "-x;"), "", "fs/new.c")]
    before = [*own(), function("moved", static=False)]
    added = replace(
        difference([], [function("moved", code=NEW, static=False)]),
        unit=Unit(path="fs/new.c", objects=("small",), flags=()),
    )
    found = assessed(every, [difference(before, own()), added])
    assert [no.what for no in found.cannot] == ["moved of vmlinux"]
    assert "it is in fs/new.c now" in found.cannot[0].why
    at_home = replace(added, unit=replace(added.unit, objects=("vmlinux",)))
    [target] = assessed(every, [difference(before, own()), at_home]).targets
    assert (target.name, target.path) == ("moved", "fs/new.c")


def test_what_is_touched_is_told_in_its_new_text() -> None:
    edit = Edit(
        changes=(changes(OLD.replace("return x;", "return -x;") + "int more;\n"),),
        files={},
        subject="x",
        text=b"",
    )
    found = touched_by(edit)
    assert list(found) == ["helper"]
    assert "return -x;" in found["helper"].text


@pytest.mark.parametrize(("kind", "told"), [("W", 1), ("T", 1), ("t", 0)])
@pytest.mark.parametrize("new_file", [False, True])
def test_a_new_function_in_place_of_a_weak_one(kind: str, told: int, new_file: bool) -> None:
    """arch_foo() of another file is what the kernel calls; the new one was not linked with it."""
    weak = replace(symbol("arch_foo"), type=kind)
    facts = Small(*(symbol(name) for name in ("helper", "show")), weak)
    strong = changes("int arch_foo(void)\n{\n\treturn 1;\n}\n", "", "fs/strong.c")
    unit = replace(
        difference([], [function("arch_foo", static=False)]),
        unit=Unit(path="fs/strong.c", objects=("vmlinux",), flags=()),
    )
    units = [difference(own(), own(NEW)), *([] if new_file else [unit])]
    found = assessed([EDIT, strong], units, new=["fs/strong.c"] * new_file, facts=facts)
    assert [target.name for target in found.targets] == ["helper"]
    said = [line for line in found.left_out if "goes on to call it" in line.why]
    assert [(line.path, line.what) for line in said] == [
        ("fs/strong.c", "arch_foo" if not new_file else "arch_foo of vmlinux")
    ] * told


def test_a_function_that_lost_init_and_uses_a_constant_that_changed() -> None:
    was = OLD.replace("int helper", "int __init helper").replace("x;", "LIMIT;", 1)
    was = was.replace("return helper(x)", "return x")
    now = was.replace("__init ", "").replace("return x", "return helper(x)")
    before = [function("helper", section=".init.text"), function("show", static=False)]
    after = [function("helper"), function("show", "helper", static=False, code=NEW)]
    header = changes("#define LIMIT 4\n", "#define LIMIT 3\n", "include/limit.h")
    for every, why in (((), []), ((header,), ["helper of vmlinux"])):
        found = assessed([changes(now, was), *every], [difference(before, after)])
        assert [no.what for no in found.cannot] == why


def test_a_function_that_got_a_parameter_and_is_in_a_table_of_a_file_that_stays() -> None:
    now = OLD.replace("show(int x)", "show(int x, int y)")
    header = changes("int show(int x, int y);\n", "int show(int x);\n", "include/show.h")
    code = [function("helper"), function("show", "helper", static=False, code=NEW)]
    table = [variable("ops", "show")]
    other = replace(
        difference(table, table), unit=Unit(path="fs/ops.c", objects=("vmlinux",), flags=())
    )
    found = assessed([changes(now), header], [difference(own(), code), other])
    assert [no.why for no in found.cannot] == ["it has other parameters, and its address is in ops"]


def test_what_a_macro_does_once_is_a_doubt() -> None:
    had = [*own(), variable("___done#0")]
    now = [function("helper", "___done#0", code=NEW), *own()[1:], variable("___done#0")]
    [doubt] = assessed([EDIT], [difference(had, now)]).mismatches
    assert doubt.startswith(f"helper of {PATH} has static data by a macro (___done)")
