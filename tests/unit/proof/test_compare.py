# SPDX-License-Identifier: MIT
"""What differs between two compilations is reported by name."""

from collections.abc import Mapping

import pytest

from lppack.proof.compare import UnitDifference
from lppack.proof.kbuild import Unit
from lppack.proof.objects import Data, Function, ObjectFile

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
