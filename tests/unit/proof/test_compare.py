# SPDX-License-Identifier: MIT
"""What differs between two compilations is reported by name."""

from collections.abc import Mapping

import pytest

from lppack.proof.compare import UnitDifference
from lppack.proof.kbuild import Unit
from lppack.proof.objects import Data, Function, ObjectFile
from tests.unit.proof.read import F, read
from tests.unit.proof.tiny_object import (
    LOCAL,
    MOV_DI,
    OBJECT,
    R_32S,
    RET,
    Sect,
    Sym,
)

UNIT = Unit(path="fs/a.c", objects=("vmlinux",), flags=())


def function(name: str, code: bytes = b"\xc3") -> Function:
    return Function(
        name=name,
        section=f".text.{name}",
        code=code,
        references=(),
        entries=(),
        static=False,
        weak=False,
    )


def data(name: str, key: object = b"\1", size: int = 1, section: str = ".data.x") -> Data:
    return Data(
        name=name,
        section=section,
        key=key,
        size=size,
        references=(),
        writable=True,
        static=False,
    )


def object_(*things: Function | Data, others: Mapping[str, object] | None = None) -> ObjectFile:
    return ObjectFile(
        functions={one.name: one for one in things if isinstance(one, Function)},
        data={one.name: one for one in things if isinstance(one, Data)},
        others=dict(others or {}),
    )


WHOLE = object_(function("f"), function("g.isra.0"), data("x"), others={"__param": b"\1"})


def difference(before: ObjectFile | None, after: ObjectFile | None) -> UnitDifference:
    return UnitDifference(unit=UNIT, before=before, after=after)


def test_nothing_differs() -> None:
    same = object_(function("g.isra.0"), function("f"), data("x"), others={"__param": b"\1"})
    found = difference(WHOLE, same)
    assert found.identical
    assert (found.changed, found.added, found.removed) == ((), (), ())
    assert (found.data, found.removed_data, found.others) == ((), (), ())


def test_changed_functions_and_copies() -> None:
    after = object_(
        function("f", b"\x90"), function("g.isra.0", b"\x90"), data("x"), others=WHOLE.others
    )
    found = difference(WHOLE, after)
    assert found.changed == ("f", "g.isra.0")
    assert (found.added, found.removed, found.identical) == ((), (), False)


def test_added_and_removed_functions() -> None:
    after = object_(function("f"), function("g.isra.1"), data("x"), others=WHOLE.others)
    found = difference(WHOLE, after)
    assert (found.changed, found.added, found.removed) == ((), ("g.isra.1",), ("g.isra.0",))
    assert not found.identical


@pytest.mark.parametrize(
    "other", [data("x", b"\2"), data("x", size=2), data("x", section=".rodata.x")]
)
def test_changed_data(other: Data) -> None:
    after = object_(*WHOLE.functions.values(), other, others=WHOLE.others)
    found = difference(WHOLE, after)
    assert (found.changed, found.data, found.removed_data) == ((), ("x",), ())
    assert not found.identical


def using(name: str, section: str, size: int, align: int = 8, code_align: int = 16) -> ObjectFile:
    """f(), which refers to a static variable."""
    code = MOV_DI + RET
    sections = [
        Sect(F, code, [(3, name, R_32S, 0)], align=code_align),
        Sect(section, bytes(size), align=align),
    ]
    variable = Sym(name, section, size, kind=OBJECT, binding=LOCAL)
    return read(sections, [Sym("f", F, len(code)), variable])


@pytest.mark.parametrize(
    ("section", "name"), [(".bss.buf.7", "buf.7"), (".bss.buf", "buf"), (".data.buf.7", "buf.7")]
)
def test_the_size_of_a_variable_without_a_value(section: str, name: str) -> None:
    """ip_vs_proto_name() (v6.1) has static char buf[20]."""
    [found] = difference(using(name, section, 20), using(name, section, 40)).data
    assert found == name.replace(".7", "#0")
    assert difference(using(name, section, 20), using(name, section, 20)).identical


@pytest.mark.parametrize("section", [".bss.buf", ".data.buf.7", ".rodata.buf", ".data..percpu"])
def test_the_alignment_of_a_variable(section: str) -> None:
    name = "buf.7" if section.endswith(".7") else "buf"
    before = using(name, section, 64)
    found = difference(before, using(name, section, 64, align=64))
    assert found.data == (name.replace(".7", "#0"),) and not found.changed
    assert difference(before, using(name, section, 64)).identical


def test_the_alignment_of_a_constant_of_a_function_is_of_the_function() -> None:
    names = ("table.3", ".rodata.table.3", 64)
    found = difference(using(*names), using(*names, align=64))
    assert (found.changed, found.data) == (("f",), ())


def test_the_alignment_of_a_function() -> None:
    names = ("buf", ".bss.buf", 8)
    found = difference(using(*names), using(*names, code_align=64))
    assert (found.changed, found.data) == (("f",), ())


def test_the_alignment_of_a_variable_among_others() -> None:
    """A section that a macro names has several; where one comes or goes, others may move."""

    def several(*places: tuple[str, int, int], align: int = 8) -> ObjectFile:
        section = ".data..percpu"
        symbols = [Sym(name, section, size, at, kind=OBJECT) for name, at, size in places]
        return read([Sect(section, bytes(64), align=align)], symbols)

    before = several(("a", 0, 4), ("b", 4, 4), ("c", 8, 4))
    assert difference(before, several(("a", 0, 4), ("b", 8, 4), ("c", 12, 4))).data == ("b", "c")
    assert difference(before, several(("a", 0, 4), ("c", 4, 4))).data == ()
    first = several(("a", 0, 4), ("b", 4, 4), ("c", 8, 4), align=64)
    assert "a" in difference(before, first).data


def test_added_and_removed_data() -> None:
    functions = WHOLE.functions.values()
    less = object_(*functions, others=WHOLE.others)
    assert difference(WHOLE, less).removed_data == ("x",)
    assert difference(less, WHOLE).removed_data == ()
    assert not difference(WHOLE, less).identical
    assert not difference(less, WHOLE).identical


def test_other_sections() -> None:
    things: list[Function | Data] = [*WHOLE.functions.values(), *WHOLE.data.values()]
    after = object_(*things, others={"__ksymtab": b"", "__param": b"\2"})
    assert difference(WHOLE, after).others == ("__ksymtab", "__param")
    assert not difference(WHOLE, after).identical
    assert difference(WHOLE, object_(*things)).others == ("__param",)


def test_a_file_that_is_new_or_does_not_compile() -> None:
    new, broken = difference(None, WHOLE), difference(WHOLE, None)
    assert (new.added, new.removed, new.changed) == (("f", "g.isra.0"), (), ())
    assert (broken.added, broken.removed, broken.changed) == ((), ("f", "g.isra.0"), ())
    assert broken.removed_data == ("x",)
    assert not new.identical
    assert not broken.identical
    assert not difference(None, None).identical
