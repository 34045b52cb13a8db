# SPDX-License-Identifier: MIT
"""Object files that were read."""

from collections.abc import Sequence

from lppack.proof.objects import Function, ObjectFile
from lppack.proof.reader import read_object
from tests.unit.proof.tiny_object import (
    LOCAL,
    MOV_DI,
    OBJECT,
    R_32S,
    RET,
    Reloc,
    Sect,
    Sym,
    build,
)

F = ".text.f"


STRINGS = ".rodata.str1.1"


def read(sections: Sequence[Sect], symbols: Sequence[Sym]) -> ObjectFile:
    return read_object(build(sections, symbols), "a.o")


def function(
    code: bytes, relocs: Sequence[Reloc], *others: Sect, symbols: Sequence[Sym] = ()
) -> Function:
    """f() of an object with a section for it and ``others``."""
    sections = [Sect(F, code, relocs), *others]
    return read(sections, [Sym("f", F, len(code)), *symbols]).functions["f"]


def uses(
    name: str, section: str, content: bytes = bytes(8), *, direct: bool = True, addend: int = 0
) -> Function:
    """f() that refers to a static variable of its own."""
    target = name if direct else section
    symbols = [Sym(name, section, len(content), kind=OBJECT, binding=LOCAL)]
    relocs = [(3, target, R_32S, addend)]
    return function(MOV_DI + RET, relocs, Sect(section, content), symbols=symbols)
