# SPDX-License-Identifier: MIT
"""What becomes of each changed line, and why."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from lppack.csource.changes import compare
from lppack.csource.parse import parse
from lppack.drafting.account import Fate, Line, account, left_out_of_objects
from lppack.drafting.edit import Edit
from lppack.drafting.places import Cannot, Target
from lppack.proof.affected import Affected
from lppack.proof.compare import UnitDifference
from lppack.proof.objects import Data, Function
from lppack.proof.prover import Comparison
from tests.unit.drafting.code import difference, function, variable

PATH = "fs/small.c"  # as code.difference() has it
OLD = "static int limit = 1;\n\nint show(int x)\n{\n\treturn x;\n}\n"
NEW = b"\x90\x90"


def edit_of(*files: tuple[str, str | None, str]) -> Edit:
    changes = [
        compare(parse(path, was or ""), parse(path, now))
        for path, was, now in files
        if path.endswith((".c", ".h"))
    ]
    pairs = {
        path: (None if was is None else was.encode(), now.encode()) for path, was, now in files
    }
    return Edit(changes=tuple(changes), files=pairs, subject="x", text=b"")


def compared(*units: UnitDifference, **more: object) -> Comparison:
    values = {"not_built": (), "built_apart": (), "too_many": False, **more}
    paths = tuple(unit.unit.path for unit in units)
    return Comparison(affected=Affected(paths=paths, names=()), units=units, **values)  # type: ignore[arg-type]


def target(name: str, *covers: str) -> Target:
    return Target(name=name, path=PATH, object="vmlinux", sympos=None, covers=covers or (name,))


def told(
    edit: Edit,
    comparison: Comparison,
    targets: Sequence[Target] = (),
    cannot: Sequence[Cannot] = (),
    unfinished: Sequence[str] = (),
    overridden: Sequence[tuple[str, str]] = (),
) -> list[tuple[str, Fate, str]]:
    lines = account(edit, comparison, targets, cannot, unfinished, overridden)
    return [(line.what, line.fate, line.why) for line in lines]


BODY = edit_of((PATH, OLD, OLD.replace("return x", "return -x")))
DIFFERS = compared(difference([function("show")], [function("show", code=NEW)]))
SAME = compared(difference([function("show")], [function("show")]))


def test_a_replaced_function_is_carried() -> None:
    assert told(BODY, DIFFERS, [target("show")]) == [("show", Fate.CARRIED, "by show")]
    by = [target("caller", "show"), target("other", "show")]
    assert told(BODY, DIFFERS, by) == [("show", Fate.CARRIED, "by caller, other")]


def test_code_of_a_branch_that_this_kernel_has_not_has_no_effect() -> None:
    off = "#ifdef CONFIG_OFF\nint tell(void)\n{\n\treturn 1;\n}\n#endif\n"
    old, new = (
        OLD + off,
        (OLD + off).replace("return x", "return -x").replace("return 1", "return 2"),
    )

    def known(name: str) -> bool | None:
        return False if name == "CONFIG_OFF" else None

    edit = edit_of((PATH, old, new + "/* end */\n"))
    edit = replace(edit, changes=(compare(parse(PATH, old, known), parse(PATH, new, known)),))
    why = "this kernel's configuration leaves it out"
    assert [(fate, reason) for _, fate, reason in told(edit, DIFFERS, [target("show")])] == [
        (Fate.CARRIED, "by show"),
        (Fate.NO_EFFECT, why),
        (Fate.CARRIED, "it is no code by itself"),
    ]


def test_what_cannot_be_replaced_is_left_out_with_its_reason() -> None:
    no = Cannot(what="show.isra.0 of vmlinux", why="nothing can be hooked", way="none")
    assert told(BODY, DIFFERS, [target("show")], [no]) == [
        ("show", Fate.LEFT_OUT, "nothing can be hooked")
    ]


def test_code_that_is_the_same_has_no_effect() -> None:
    assert told(BODY, SAME) == [("show", Fate.NO_EFFECT, "the object code is identical")]


@pytest.mark.parametrize(
    ("comparison", "fate", "why"),
    [
        (compared(not_built=(PATH,)), Fate.NO_EFFECT, "this kernel is built without the file"),
        (compared(built_apart=(PATH,)), Fate.LEFT_OUT, "how the kernel is built from it"),
        (compared(), Fate.NO_EFFECT, "no file that this kernel is built from"),
        # More files than were compiled: identical code proves nothing then.
        (compared(too_many=True), Fate.LEFT_OUT, "could not be replaced"),
        (replace(SAME, too_many=True), Fate.LEFT_OUT, "could not be replaced"),
        (
            compared(replace(DIFFERS.units[0], after=None, error="error: x")),
            Fate.LEFT_OUT,
            f"{PATH} does not compile: error: x",
        ),
        (
            compared(replace(DIFFERS.units[0], before=None, after=None, error="error: x")),
            Fate.LEFT_OUT,
            f"{PATH} cannot be compiled outside of the kernel's build: error: x",
        ),
    ],
)
def test_a_file_that_was_not_compared(comparison: Comparison, fate: Fate, why: str) -> None:
    [(_, found, said)] = told(BODY, comparison)
    assert found is fate
    assert why in said


def test_data_of_the_kernel_stays() -> None:
    edit = edit_of((PATH, OLD, OLD.replace("limit = 1", "limit = 2")))
    had: list[Function | Data] = [variable("limit")]
    unit = difference(had, [variable("limit", contents=b"\2")])
    assert told(edit, compared(unit)) == [
        ("limit", Fate.LEFT_OUT, "it is data with other contents, and the kernel's own stays")
    ]
    [(_, fate, why)] = told(edit, compared(unit), [target("show")], unfinished=["limit"])
    assert fate is Fate.LEFT_OUT
    assert "must write a hook" in why


def test_a_weak_function_that_another_file_overrides() -> None:
    [(_, fate, why)] = told(BODY, DIFFERS, overridden=[(PATH, "show")])
    assert (fate, why) == (Fate.NO_EFFECT, "it is weak, and the kernel has another file's")


def test_code_that_has_run_already() -> None:
    for mark, word in (("__init", "has run"), ("__exit", "cannot hook")):
        old = f"static int {mark} begin(void)\n{{\n\treturn 0;\n}}\n"
        edit = edit_of((PATH, old, old.replace("0", "1")))
        unit = difference([function("begin")], [function("begin", code=NEW)])
        [(what, fate, why)] = told(edit, compared(unit))
        assert (what, fate) == ("begin", Fate.LEFT_OUT)
        assert word in why


def test_a_new_file_is_carried_by_what_uses_it() -> None:
    edit = edit_of(("fs/new.c", None, "int fresh(void)\n{\n\treturn 1;\n}\n"))
    [(_, fate, why)] = told(edit, DIFFERS, [target("show")])
    assert (fate, why) == (Fate.LEFT_OUT, "it is a new file, and nothing that is replaced uses it")
    [(_, fate, _)] = told(edit, DIFFERS, [target("show", "show", "fresh")])
    assert fate is Fate.CARRIED


@pytest.mark.parametrize(
    ("invoked", "what"),
    [
        ("EXPORT_SYMBOL_GPL(fresh);", "an export: "),
        ("module_init(begin);", "an initcall: "),
        ("late_initcall(begin);", "an initcall: "),
        ("module_platform_driver(tiny);", "an initcall: "),
        ("module_param(limit, int, 0644);", "a module parameter: "),
        ('__setup("limit=", begin);', "a boot parameter: "),
        ('MODULE_LICENSE("GPL");', None),
        ("NOKPROBE_SYMBOL(fresh);", "an address that kprobes refuse: "),
        ("ALLOW_ERROR_INJECTION(fresh, ERRNO);", "a function that may be made to fail: "),
    ],
)
def test_what_a_new_file_registers_is_left_out(invoked: str, what: str | None) -> None:
    text = f"int fresh(void)\n{{\n\treturn 1;\n}}\n{invoked}\n"
    whole, *more = told(
        edit_of(("fs/new.c", None, text)), DIFFERS, [target("show", "show", "fresh")]
    )
    assert whole[1] is Fate.CARRIED
    assert [(name, fate) for name, fate, _ in more] == [(invoked, Fate.LEFT_OUT)] * bool(what)
    assert all(why.startswith(f"it is {what}") for _, _, why in more)


@pytest.mark.parametrize(
    ("path", "fate", "word"),
    [
        ("fs/Makefile", Fate.LEFT_OUT, "kbuild"),
        ("fs/Kconfig", Fate.LEFT_OUT, "configuration"),
        ("arch/x86/entry/entry_64.S", Fate.LEFT_OUT, "assembler"),
        ("fs/table.bin", Fate.LEFT_OUT, "was not looked at"),
        ("Documentation/x.rst", Fate.NO_EFFECT, "no code"),
    ],
)
def test_a_file_that_is_no_c(path: str, fate: Fate, word: str) -> None:
    [(what, found, why)] = told(edit_of((path, "a\nb\n", "a\nc\n")), SAME)
    assert (what, found) == (path.rpartition("/")[2], fate)
    assert word in why


NEW_FILE = ("fs/new.c", None, "int fresh(void)\n{\n\treturn 1;\n}\n")


@pytest.mark.parametrize(
    ("now", "covers", "fate", "word"),
    [
        ("obj-y += a.o new.o b.o\n", "fresh", Fate.CARRIED, "compiled into the patch"),
        ("obj-y += a.o b.o\nobj-$(CONFIG_A) += new.o\n", "fresh", Fate.CARRIED, "compiled into"),
        ("obj-y += a.o new.o b.o\n", "show", Fate.LEFT_OUT, "kbuild"),
        ("obj-y += a.o new.o b.o more.o\n", "fresh", Fate.LEFT_OUT, "kbuild"),
        ("obj-y += a.o new.o\n", "fresh", Fate.LEFT_OUT, "kbuild"),
        ("obj-m += a.o new.o b.o\n", "fresh", Fate.LEFT_OUT, "kbuild"),
        ("obj-y += a.o\nobj-$(CONFIG_N) += new.o b.o\n", "fresh", Fate.LEFT_OUT, "kbuild"),
        ("obj-y += a.o\nobj-$(CONFIG_N) += renamed.o\n", "fresh", Fate.LEFT_OUT, "kbuild"),
        ("obj-y += a.o new.o b.o\nccflags-y := -DX\n", "fresh", Fate.LEFT_OUT, "kbuild"),
        ("obj-y += a.o renamed.o\n", "fresh", Fate.NO_EFFECT, "a file's name"),
    ],
)
def test_a_makefile_that_names_a_new_file(now: str, covers: str, fate: Fate, word: str) -> None:
    edit = edit_of(NEW_FILE, ("fs/Makefile", "obj-y += a.o b.o\n", now))
    edit = replace(edit, renamed={"fs/renamed.c": "fs/b.c"})
    [*_, (what, found, why)] = told(edit, DIFFERS, [target("show", "show", covers)])
    assert (what, found) == ("Makefile", fate) and word in why


def test_each_line_has_its_place() -> None:
    text = OLD.replace("limit = 1", "limit = 2").replace("return x", "return -x")
    lines = account(edit_of((PATH, OLD, text)), DIFFERS, [target("show")], (), ())
    assert [(line.path, line.line, line.what) for line in lines] == [
        (PATH, 1, "limit"),
        (PATH, 5, "show"),
    ]


def test_what_differs_and_is_in_no_line() -> None:
    names = ("__param_x", "__param_y", ".odd", "count", ".modinfo", "fresh")
    before: list[Function | Data] = [variable(name) for name in names[:-1]]
    after: list[Function | Data] = [variable(name, contents=b"\7") for name in names]
    comparison = compared(difference(before, after))
    found = {line.what: line.why for line in left_out_of_objects(comparison, (), ())}
    assert found.pop("a module parameter of vmlinux").startswith("it is a module parameter")
    assert found.pop("count of vmlinux").startswith("it is data")
    assert all("fresh" not in what and ".modinfo" not in what for what in found)
    said = [*left_out_of_objects(comparison, (), {"count"})]
    assert "count of vmlinux" not in {line.what for line in said}
    line = Line(path=PATH, line=1, what="count", fate=Fate.LEFT_OUT, why="it is data")
    assert "count of vmlinux" not in {x.what for x in left_out_of_objects(comparison, [line], ())}


@pytest.mark.parametrize(
    ("name", "section", "what"),
    [
        ("_kbl_addr_show", "_kprobe_blacklist", "an address that kprobes refuse"),
        ("_eil_addr_show", "_error_injection_whitelist", "a function that may be made to fail"),
        ("entry", "__odd_table", "an entry of section __odd_table"),
        ("entry", ".odd_table", "an entry of section .odd_table"),
        ("entry", "__param", "a module parameter"),
        ("__UNIQUE_ID_x", "__earlycon_table", "an entry of section __earlycon_table"),
        ("__UNIQUE_ID_x", ".modinfo", ""),
        ("entry", ".data..read_mostly", ""),
        ("entry", ".bss.entry", ""),
    ],
)
def test_what_a_section_has_more_or_less_of_is_left_out(name: str, section: str, what: str) -> None:
    """NOKPROBE_SYMBOL() (include/asm-generic/kprobes.h, v6.1): no function refers to its entry."""
    entry = replace(variable(name, "show"), section=section)
    had = [function("show")]
    for unit in (difference(had, [*had, entry]), difference([*had, entry], had)):
        found = [line.what for line in left_out_of_objects(compared(unit), (), ())]
        assert found == ([f"{what} of vmlinux"] if what else [])


def test_what_a_function_uses_is_carried_with_it_in_any_section() -> None:
    entry = replace(variable("entry"), section="__odd_table")
    unit = difference([function("show")], [function("show", "entry"), entry])
    assert not [*left_out_of_objects(compared(unit), (), ())]


@pytest.mark.parametrize(
    ("was", "now", "why"),
    [
        (b"\1", b"\2", "it is data with other contents, and the kernel's own stays"),
        (b"\1", b"\1\2", "it is data of another size, and the kernel's own stays"),
        (b"\1", b"\1", "it is data in another section or with another alignment, and the kernel's"),
    ],
)
def test_how_data_of_the_kernel_differs(was: bytes, now: bytes, why: str) -> None:
    after = replace(variable("limit", contents=now), align=64 if was == now else 0)
    comparison = compared(difference([variable("limit", contents=was)], [after]))
    [line] = left_out_of_objects(comparison, (), ())
    assert (line.what, line.why.startswith(why)) == ("limit of vmlinux", True)
    edit = edit_of((PATH, OLD, OLD.replace("limit = 1", "limit = 2")))
    assert told(edit, comparison) == [("limit", Fate.LEFT_OUT, line.why)]


def test_a_function_whose_code_is_the_same_where_data_differs() -> None:
    """int becomes unsigned int in a system call: what tracers know of it, and no code."""
    had: list[Function | Data] = [function("show"), variable("types__show")]
    unit = difference(had, [had[0], variable("types__show", contents=b"\7")])
    assert told(BODY, compared(unit)) == [
        ("show", Fate.NO_EFFECT, "the functions' object code is identical")
    ]
    assert told(BODY, compared(unit, too_many=True))[0][1] is Fate.LEFT_OUT
    [line] = left_out_of_objects(compared(unit), (), ())
    assert line.what == "what tracers know of a system call of vmlinux"


def test_a_new_system_call_has_no_entry_in_the_table() -> None:
    text = f"{OLD}\nSYSCALL_DEFINE1(fresh, int, x)\n{{\n\treturn x;\n}}\n"
    unit = difference([function("show")], [function("show"), function("__x64_sys_fresh")])
    found = {
        what: (fate, why) for what, fate, why in told(edit_of((PATH, OLD, text)), compared(unit))
    }
    fate, why = found["__do_sys_fresh"]
    assert fate is Fate.LEFT_OUT
    assert "the kernel's table has no entry of it" in why


OTHER = OLD.replace("return x", "return -x")
NO_CODE = "no code of the kernel is compiled from it"


@pytest.mark.parametrize(
    ("path", "was", "now", "fate", "why"),
    [
        ("arch/arm64/kernel/entry.S", OLD, OTHER, Fate.NO_EFFECT, "it is for another architecture"),
        ("arch/riscv/mm/init.c", OLD, OTHER, Fate.NO_EFFECT, "it is for another architecture"),
        ("arch/arm/boot/dts/a.dts", OLD, None, Fate.NO_EFFECT, "it is for another architecture"),
        ("arch/x86/entry/entry_64.S", OLD, OTHER, Fate.LEFT_OUT, "assembler"),
        ("arch/x86/entry/vdso/vgetcpu.c", OLD, OTHER, Fate.LEFT_OUT, "code of the vDSO"),
        ("lib/vdso/gettimeofday.c", OLD, OTHER, Fate.LEFT_OUT, "code of the vDSO"),
        ("arch/x86/boot/main.c", OLD, OTHER, Fate.LEFT_OUT, "does not run in the kernel"),
        ("arch/x86/kernel/asm-offsets.c", OLD, OTHER, Fate.LEFT_OUT, "gives assembler"),
        ("kernel/odd.c", OLD, OTHER, Fate.LEFT_OUT, "how the kernel is built from it is not known"),
        ("tools/include/uapi/linux/a.h", OLD, OTHER, Fate.NO_EFFECT, NO_CODE),
        ("tools/testing/selftests/a.c", None, OTHER, Fate.NO_EFFECT, NO_CODE),
        ("scripts/gdb/linux/tasks.py", OLD, OTHER, Fate.NO_EFFECT, NO_CODE),
        (".mailmap", OLD, OTHER, Fate.NO_EFFECT, NO_CODE),
        ("tools/objtool/check.c", OLD, OTHER, Fate.LEFT_OUT, "a program that builds the kernel"),
        ("fs/off.c", OLD, OTHER, Fate.NO_EFFECT, "built without the file"),
        ("fs/off_new.c", None, OTHER, Fate.LEFT_OUT, "nothing that is replaced uses it"),
        ("fs/on_new.c", None, OTHER, Fate.CARRIED, "with the functions that use it"),
        ("fs/gone.c", OLD, None, Fate.LEFT_OUT, "the kernel keeps what it was built with"),
    ],
)
def test_a_file(path: str, was: str | None, now: str | None, fate: Fate, why: str) -> None:
    apart = path.startswith(("arch", "lib", "kernel", "tools/objtool"))
    edit = Edit(
        changes=edit_of((path, was, now or "")).changes,
        files={path: (was and was.encode() or None, now and now.encode() or None)},
        subject="",
        text=b"",
    )
    comparison = compared(not_built=("fs/off.c",), built_apart=(path,) if apart else ())
    by = Target(name="g", path="fs/on_new.c", object="vmlinux", sympos=None, covers=("g", "show"))
    [(_, found, said)] = told(edit, comparison, [by] if path == by.path else [])
    assert found is fate
    assert why in said
