# SPDX-License-Identifier: MIT
"""What is static in a function is the same where the compiler has numbered it otherwise."""

import pytest

from lppack.proof.align import aligned
from lppack.proof.compare import UnitDifference
from lppack.proof.kbuild import Unit
from lppack.proof.objects import Data, Function, ObjectFile, Reference

UNIT = Unit(path="fs/a.c", objects=("vmlinux",), flags=())


def function(name: str, *uses: str, code: bytes = b"\xc3") -> Function:
    return Function(
        name=name,
        section=f".text.{name}",
        code=code,
        references=tuple(
            Reference(offset=8 * at, kind=11, target=("symbol", used, 0))
            for at, used in enumerate(uses)
        ),
        entries=(),
        static=False,
        weak=False,
    )


def static(name: str, value: int, number: int) -> Data:
    """A static variable of a function, in the section that -fdata-sections gives it."""
    return Data(
        name=name,
        section=f".data.{name.partition('#')[0]}.{number}",
        key=(bytes([value]), ()),
        size=1,
        references=(),
        writable=True,
        static=True,
    )


def of(*found: Function | Data) -> ObjectFile:
    return ObjectFile(
        functions={one.name: one for one in found if isinstance(one, Function)},
        data={one.name: one for one in found if isinstance(one, Data)},
    )


def compared(before: ObjectFile, after: ObjectFile) -> UnitDifference:
    return UnitDifference(unit=UNIT, before=before, after=aligned(after, before))


LONGER = b"\x90\xc3"


def test_one_more_does_not_change_the_others() -> None:
    """gcc counts from the end of the file, so that the new one moves the others of its name."""
    before = of(
        function("f", "n#0"),
        function("g", "n#1"),
        static("n#0", 5, 3),
        static("n#1", 7, 2),
    )
    after = of(
        function("f", "n#0", "n#1", code=LONGER),
        function("g", "n#2"),
        static("n#0", 9, 5),
        static("n#1", 5, 4),
        static("n#2", 7, 2),
    )
    found = compared(before, after)
    assert (found.changed, found.data, found.removed_data) == (("f",), (), ())
    [fresh] = found.added_data
    assert fresh.startswith("n#new")


def test_one_less_does_not_change_the_others() -> None:
    before = of(
        function("f", "n#0"),
        function("g", "n#1"),
        static("n#0", 5, 3),
        static("n#1", 7, 2),
    )
    after = of(function("f", code=LONGER), function("g", "n#0"), static("n#0", 7, 1))
    found = compared(before, after)
    assert (found.changed, found.data) == (("f",), ())
    assert (found.added_data, found.removed_data) == ((), ("n#0",))


def test_another_first_value_is_a_difference() -> None:
    before = of(
        function("f", "n#0"), function("g", "n#1"), static("n#0", 5, 3), static("n#1", 7, 2)
    )
    after = of(function("f", "n#0"), function("g", "n#1"), static("n#0", 5, 3), static("n#1", 8, 2))
    found = compared(before, after)
    assert (found.changed, found.data) == ((), ("n#1",))


def test_a_function_that_uses_another_functions_differs() -> None:
    before = of(
        function("f", "n#0"), function("g", "n#1"), static("n#0", 5, 3), static("n#1", 5, 2)
    )
    after = of(function("f", "n#0"), function("g", "n#0"), static("n#0", 5, 3))
    found = compared(before, after)
    assert found.changed == ("g",) and found.removed_data == ("n#1",)


@pytest.mark.parametrize("cold", ["g.cold", "g.part.0"])
def test_parts_of_a_function_count_as_it(cold: str) -> None:
    before = of(function("g"), function(cold, "n#0"), static("n#0", 5, 3))
    after = of(
        function("f", "n#0"),
        function("g"),
        function(cold, "n#1"),
        static("n#0", 5, 4),
        static("n#1", 5, 3),
    )
    found = compared(before, after)
    assert (found.changed, found.added) == ((), ("f",))


def test_what_a_table_of_that_function_leads_to() -> None:
    """The descriptor of a pr_debug() is data of that function, and leads to more of it."""
    leads = Reference(offset=0, kind=1, target=("symbol", "n#0", 0))
    later = Reference(offset=0, kind=1, target=("symbol", "n#1", 0))

    def table(reference: Reference) -> Data:
        key = (bytes(8), ((reference.offset, reference.kind, reference.target),))
        return Data(
            name="table",
            section=".data.table",
            key=key,
            size=8,
            references=(reference,),
            writable=True,
            static=True,
        )

    before = of(table(leads), static("n#0", 5, 1))
    after = of(function("f", "n#0"), table(later), static("n#0", 5, 2), static("n#1", 5, 1))
    found = compared(before, after)
    assert (found.data, found.added) == ((), ("f",))
