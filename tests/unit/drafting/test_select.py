# SPDX-License-Identifier: MIT
"""Which functions are replaced, by what differs in the object code."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from lppack.csource.changes import Changes, compare
from lppack.csource.parse import parse
from lppack.drafting.places import Places
from lppack.drafting.select import Selected, Whole, select
from lppack.proof.match import Matched
from lppack.proof.objects import R_32S, R_PLT32, Data, Function
from tests.kit.fake_facts import FakeFacts, symbol
from tests.unit.drafting.code import difference, file_of, function, variable

FILE = """\
static inline int twice(int x) { return 2 * x; }
static int helper(int x) { return twice(x); }
int show(int x) { return helper(x); }
"""
FILE_OPEN = FILE.replace("static int", "int")
NEW = b"\x90\x90"


def changes(new: str, old: str = FILE) -> Changes:
    return compare(parse("fs/small.c", old), parse("fs/small.c", new))


def chosen(
    before: Sequence[Function | Data],
    after: Sequence[Function | Data],
    edit: Changes,
    *,
    copies: int = 1,
    of: Whole | None = None,
) -> Selected:
    names = [one.name for one in before]
    symbols = [symbol(name, at + 1) for name in names for at in range(copies)]
    facts = FakeFacts({"vmlinux": symbols})
    code = file_of(*before)
    own = {
        name: Matched(name=name, symbol=facts.copies(name)[-1])
        for name in names
        if facts.copies(name)
    }
    places = Places(facts, "vmlinux", code, own)
    names_of = {*edit.functions(), *(i.name for i in edit.added)}
    touched = {n: i for n, i in edit.after.functions.items() if n in names_of}
    return select(difference(before, after), places, edit, touched, {}, of or Whole())


TWICE = changes(FILE.replace("2 * x", "3 * x"))


def test_what_differs_is_replaced_and_nothing_else() -> None:
    before = [function("helper"), function("show", "helper", static=False)]
    after = [function("helper", code=NEW), function("show", "helper", static=False)]
    found = chosen(before, after, TWICE)
    assert {n: t.covers for n, t in found.targets.items()} == {"helper": ("twice",)}
    assert not found.cannot


def test_the_symbol_is_the_one_that_the_sources_compile_to() -> None:
    """Another file has a function of that name: its position is not taken."""
    before, after = [function("helper")], [function("helper", code=NEW)]
    found = chosen(before, after, TWICE, copies=2)
    assert found.targets["helper"].sympos == 2


def test_a_changed_copy_is_reached_through_its_users() -> None:
    before = [function("helper.isra.0"), function("show", "helper.isra.0", static=False)]
    after = [function("helper.isra.0", code=NEW), *before[1:]]
    found = chosen(before, after, TWICE)
    assert {n: t.covers for n, t in found.targets.items()} == {"show": ("twice", "helper")}
    assert "replaced instead: show" in found.notes[0]


def test_what_is_replaced_by_way_of_a_changed_copy_of_its_caller() -> None:
    before = [
        function("helper"),
        function("middle.constprop.0", "helper"),
        function("show", "middle.constprop.0", static=False),
    ]
    found = chosen(before, before[1:], changes(FILE.replace("static int helper", "int gone")))
    assert found.targets["show"].covers == ("show", "helper", "middle")


def test_what_only_the_cold_part_of_a_caller_uses() -> None:
    before = [
        function("helper", traceable=False),
        function("show", static=False),
        function("show.cold", "helper", traceable=False),
    ]
    after = [function("helper", traceable=False, code=NEW), *before[1:]]
    assert chosen(before, after, TWICE).targets["show"].covers == ("show", "helper")


def test_cold_parts_are_of_their_function() -> None:
    before = [function("helper"), function("helper.cold", traceable=False)]
    after = [before[0], function("helper.cold", traceable=False, code=NEW)]
    assert list(chosen(before, after, TWICE).targets) == ["helper"]


def test_a_function_with_other_parameters_is_not_replaced_but_its_callers_are() -> None:
    new = FILE.replace("helper(int x)", "helper(int x, int y)").replace("helper(x)", "helper(x, 1)")
    before = [function("helper"), function("show", "helper", static=False)]
    after = [function("helper", code=NEW), function("show", "helper", static=False, code=NEW)]
    found = chosen(before, after, changes(new))
    assert list(found.targets) == ["show"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            [function("helper", section=".init.text")],
            [function("helper", section=".init.text", code=NEW)],
            "__init",
        ),
        (
            [function("helper", section=".exit.text", traceable=False)],
            [function("helper", section=".exit.text", traceable=False, code=NEW)],
            "__exit",
        ),
        (
            [function("helper", traceable=False), variable("table", "helper")],
            [function("helper", traceable=False, code=NEW), variable("table", "helper")],
            "its address is in table",
        ),
        (
            [function("show", traceable=False, static=False), function("helper", "show")],
            [function("show", traceable=False, static=False, code=NEW), function("helper", "show")],
            "other files, or assembler, may call it",
        ),
        (
            [function("helper", traceable=False)],
            [function("helper", traceable=False, code=NEW)],
            "nothing in fs/small.c calls it",
        ),
    ],
)
def test_what_cannot_be_replaced_is_said(
    before: list[Function | Data], after: list[Function | Data], said: str
) -> None:
    found = chosen(before, after, TWICE)
    assert not found.targets
    [no] = found.cannot
    assert said in no.why and no.way and no.path == "fs/small.c"


@pytest.mark.parametrize(
    ("body", "why"),
    [("return x;", ""), ("return x + 1;", "helper of vmlinux: it is __init: it has run")],
)
def test_what_was_init_and_is_called_from_now_on(body: str, why: str) -> None:
    """The init code that called it has run; only what it would do there otherwise is too late."""
    old = "static int __init helper(int x) { return x; }\nint show(int x) { return x; }\n"
    new = f"static int helper(int x) {{ {body} }}\nint show(int x) {{ return helper(x); }}\n"
    before = [function("helper", section=".init.text"), function("show", static=False)]
    after = [function("helper", code=NEW), function("show", "helper", static=False)]
    found = chosen(before, after, changes(new, old))
    assert list(found.targets) == ["show"]
    assert [f"{no.what}: {no.why}".startswith(why) for no in found.cannot] == [True] * bool(why)


@pytest.mark.parametrize(("static", "stays", "said"), [(0, 0, 1), (0, 1, 1), (1, 1, 1), (1, 0, 0)])
def test_a_copy_that_nothing_of_its_file_calls_is_replaced_by_nothing(
    static: int, stays: int, said: int
) -> None:
    before = [function("helper.part.0", static=bool(static))]
    after = [function("helper.part.0", static=bool(static), code=NEW)] * stays
    found = chosen(before, after, TWICE)
    assert not found.targets and not found.notes
    assert ["nothing in fs/small.c calls it" in no.why for no in found.cannot] == [True] * said


def test_a_function_that_the_kernel_has_otherwise_is_not_taken() -> None:
    facts = FakeFacts({"vmlinux": [symbol("helper", 1), symbol("helper", 2)]})
    before = [function("helper")]
    places = Places(facts, "vmlinux", file_of(*before), {})
    after = [function("helper", code=NEW)]
    found = select(difference(before, after), places, TWICE, {}, {}, Whole())
    assert not found.targets
    assert "none of them is what its sources compile to" in found.cannot[0].why


def test_a_weak_function_that_another_file_overrides_is_not_replaced() -> None:
    before, after = [function("helper")], [function("helper", code=NEW)]
    facts = FakeFacts({"vmlinux": [symbol("helper", 1)]})
    for expected, replaced in ((True, []), (False, ["helper"])):
        match = Matched(name="helper", symbol=None, why="other code", expected=expected)
        places = Places(facts, "vmlinux", file_of(*before), {"helper": match})
        assert places.overridden("helper") is expected
        found = select(difference(before, after), places, TWICE, {}, {}, Whole())
        assert not found.targets and [one.what for one in found.cannot] == [
            f"{name} of vmlinux" for name in replaced
        ]


def test_a_function_that_gets_a_parameter_is_a_new_one() -> None:
    whole = FILE.replace("show(int x)", "show(int x, int y)")
    before = [function("show", static=False), function("user", "show", static=False)]
    after = [function("show", static=False, code=NEW), function("user", "show", code=NEW)]
    user = "int user(int x) { return show(x); }\n"
    edit = changes(whole + user.replace("(x);", "(x, 1);"), FILE + user)
    found = chosen(before, after, edit)
    assert list(found.targets) == ["user"] and not found.cannot
    assert found.targets["user"].covers == ("user",)
    assert "show has other parameters" in found.notes[0]


@pytest.mark.parametrize("kind", [R_PLT32, R_32S])
@pytest.mark.parametrize("init", [False, True])
def test_an_address_that_was_stored_is_a_doubt(kind: int, init: bool) -> None:
    """Work that was set up before the patch calls the old function, which is gone in the new."""
    user = "\nvoid setup(void) { INIT_WORK(&work, {}); }\n"
    old = FILE + user.replace("{}", "helper")
    new = old.replace("helper", "helper_2")
    setup = function("setup", "helper", static=False, section=".init.text" * init)
    last = replace(setup.references[-1], kind=kind)
    setup = replace(setup, references=(*setup.references[:-1], last))
    before = [function("helper"), function("show", "helper", static=False), setup]
    after = [
        function("helper_2", code=NEW),
        function("show", "helper_2", static=False),
        function("setup", "helper_2", static=False, section=".init.text" * init),
    ]
    found = chosen(before, after, changes(new, old))
    assert "show" in found.targets
    stored = kind == R_32S and not init
    assert (
        found.doubts
        == [
            "setup of vmlinux may have stored the address of helper: what has it already goes on "
            "to call the kernel's own, as it was"
        ]
        * stored
    )


def test_an_address_in_a_table_of_a_function_that_gets_a_parameter() -> None:
    new = FILE.replace("show(int x)", "show(int x, int y)")
    table = variable("table", "show")
    before: list[Function | Data] = [function("show", static=False), table]
    after: list[Function | Data] = [function("show", static=False, code=NEW), table]
    found = chosen(before, after, changes(new))
    [no] = found.cannot
    assert no.why == "it has other parameters, and its address is in table"


@pytest.mark.parametrize(("static", "said"), [(False, "table, ops"), (True, "table")])
def test_an_address_in_a_table_of_another_file(static: bool, said: str) -> None:
    """That file has the same code before and after, and is not looked at otherwise."""
    new = FILE.replace("helper(int x)", "helper(int x, int y)")
    table = variable("table", "helper")
    before: list[Function | Data] = [function("helper", static=static), table]
    after: list[Function | Data] = [function("helper", static=static, code=NEW), table]
    of = Whole(files=(file_of(variable("ops", "helper")),), declared=frozenset(["helper"]))
    found = chosen(before, after, changes(new.replace("static int", "int"), FILE_OPEN), of=of)
    whys = [no.why.rpartition(" is in ")[2] for no in found.cannot]
    assert whys == [", ".join(sorted(said.split(", ")))] and not found.doubts


def test_an_address_that_another_file_stores() -> None:
    setup = function("setup", "helper", static=False)
    last = replace(setup.references[-1], kind=R_32S)
    setup = replace(setup, references=(*setup.references[:-1], last))
    new = FILE_OPEN.replace("helper(int x)", "helper(int x, int y)")
    before, after = (
        [function("helper", static=False)],
        [function("helper", static=False, code=NEW)],
    )
    names = frozenset(["helper"])
    of = Whole(files=(file_of(setup),), declared=names)
    [doubt] = chosen(before, after, changes(new, FILE_OPEN), of=of).doubts
    assert doubt.startswith("setup of vmlinux may have stored the address of helper")
    assert not chosen(before, after, changes(new, FILE_OPEN), of=Whole(declared=names)).doubts
    [doubt] = chosen(before, after, changes(new, FILE_OPEN)).doubts
    assert doubt.endswith("files that were not compiled may use it")


@pytest.mark.parametrize(
    ("differing", "stays"),
    [("", True), ("other", True), ("LIMIT", False), ("struct x", False), ("twice", False)],
)
def test_what_was_init_and_used_what_changed_is_said(differing: str, stays: bool) -> None:
    """What it did at boot it did with the old one."""
    old = """\
#define OWN (LIMIT + 1)
static inline int ask(struct x *x) { return twice(OWN); }
static int __init helper(int x) { return ask(0); }
"""
    new = old.replace("__init ", "")
    before = [function("helper", section=".init.text")]
    after = [function("helper")]
    of = Whole(differing=frozenset([differing]))
    found = chosen(before, after, changes(new, old), of=of)
    assert bool(found.cannot) is not stays and bool(found.notes) is stays
