# SPDX-License-Identifier: MIT
"""Object code of a small file, made up."""

from collections.abc import Iterable

from lppack.proof.compare import UnitDifference
from lppack.proof.kbuild import Unit
from lppack.proof.objects import Data, Function, ObjectFile, Reference


def function(
    name: str,
    *uses: str,
    code: bytes = b"\x90",
    static: bool = True,
    traceable: bool = True,
    section: str = "",
) -> Function:
    """A function that calls ``uses``."""
    calls = ("__fentry__",) if traceable else ()
    return Function(
        name=name,
        section=section or f".text.{name}",
        code=code,
        references=tuple(
            Reference(offset=1 + 5 * at, kind=4, target=("symbol", called, -4))
            for at, called in enumerate((*calls, *uses))
        ),
        entries=(),
        static=static,
        weak=False,
    )


def variable(name: str, *uses: str, contents: bytes = b"\0") -> Data:
    """A variable that points to ``uses``."""
    return Data(
        name=name,
        section=f".data.{name}",
        key=contents,
        size=len(contents),
        references=tuple(
            Reference(offset=8 * at, kind=1, target=("symbol", to, 0)) for at, to in enumerate(uses)
        ),
        writable=True,
        static=True,
    )


def file_of(*found: Function | Data) -> ObjectFile:
    """An object file with these functions and variables."""
    return ObjectFile(
        functions={one.name: one for one in found if isinstance(one, Function)},
        data={one.name: one for one in found if isinstance(one, Data)},
    )


def difference(
    before: Iterable[Function | Data], after: Iterable[Function | Data], object_: str = "vmlinux"
) -> UnitDifference:
    """fs/small.c before and after."""
    unit = Unit(path="fs/small.c", objects=(object_,), flags=())
    return UnitDifference(unit=unit, before=file_of(*before), after=file_of(*after))
