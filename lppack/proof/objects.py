# SPDX-License-Identifier: MIT
"""An object file as functions and data that can be compared with those of another compilation.

The object was compiled with -ffunction-sections and -fdata-sections, so that a reference from one
function to another is a relocation. References are named by their target: a symbol, a string's
text, a constant's bytes; never by a number that the compiler or the assembler has assigned.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

# arch/x86/include/asm/elf.h (v6.1)
R_64, R_PC32, R_PLT32, R_32, R_32S, R_PC8 = 1, 2, 4, 10, 11, 15
PC_RELATIVE = frozenset((R_PC32, R_PLT32, R_PC8))
#: Target of a reference: a kind ("symbol", "string", ...), the name or content, and the distance
#: from its start in bytes.
Target = tuple[str, str | bytes, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One relocation."""

    offset: int  # in the function or the data
    kind: int  # R_X86_64_
    target: Target
    symbol: str = ""  # as the object has it: "__key.35"
    place: tuple[int, int] | None = field(default=None, compare=False)  # section, offset in it

    @property
    def width(self) -> int:
        """The number of bytes that the relocation writes."""
        return 8 if self.kind == R_64 else 1 if self.kind == R_PC8 else 4


#: One entry of a table about code: the table's name, and the entry's bytes and references.
Entry = tuple[str, bytes, tuple[Reference, ...]]
#: Section of code -> offset in it -> the entries about that place.
Entries = dict[int, dict[int, list[Entry]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function, with its entries in the tables that are about its code."""

    name: str  # of its symbol: "walk_pgd_range", "warn_unsupported.constprop.0"
    section: str
    code: bytes  # 0 where a relocation writes
    references: tuple[Reference, ...]
    entries: tuple[Entry, ...]
    static: bool
    weak: bool
    aliases: tuple[str, ...] = ()
    start: int = 0  # in its section
    align: int = 0  # 0: other functions are in its section

    @property
    def key(self) -> object:
        """A value that is equal for two functions with the same code and references."""

        def plain(found: tuple[Reference, ...]) -> object:
            return tuple((one.offset, one.kind, one.target) for one in found)

        of = self.section.removesuffix(self.name).rstrip(".")  # .text., .text.unlikely., .init.text
        how = (of, self.weak, self.aliases)  # `static` is not compared
        tables = [(name, data, plain(found)) for name, data, found in self.entries]
        return self.code, plain(self.references), tables, how

    @property
    def init(self) -> bool:
        return self.section.startswith(".init.text")

    @property
    def exit(self) -> bool:
        return self.section.startswith(".exit.text")

    @property
    def traceable(self) -> bool:
        """Whether the function begins with a call of __fentry__, as ftrace needs."""
        return any(one.target[1] == "__fentry__" and one.offset <= 5 for one in self.references)

    @property
    def base(self) -> str:
        """The source function's name, also for a changed copy (NAME.isra.0)."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """One variable; of those that are static in a function, only writable ones."""

    name: str
    section: str
    key: object  # equal for two variables that begin with the same contents
    size: int
    references: tuple[Reference, ...]
    writable: bool
    static: bool
    align: int = 0  # of the section, or of its place among others of the section
    beside: tuple[tuple[str, int], ...] = ()  # name and size of those others


@dataclass
class ObjectFile:
    functions: dict[str, Function] = field(default_factory=dict)
    data: dict[str, Data] = field(default_factory=dict)
    #: Other sections by name: exports, parameters, initcalls.
    others: dict[str, object] = field(default_factory=dict)

    @cached_property
    def users(self) -> dict[str, frozenset[str]]:
        """Map a function or variable to the functions and variables that refer to it."""
        found: dict[str, set[str]] = {}
        for name, references in self._said():
            for reference in references:
                kind, what, _ = reference.target
                if kind == "symbol" and isinstance(what, str) and what != name:
                    found.setdefault(what, set()).add(name)
        return {name: frozenset(users) for name, users in found.items()}

    @cached_property
    def takers(self) -> dict[str, frozenset[str]]:
        """Map a function to the functions that pass its address on, or store it."""
        found: dict[str, set[str]] = {}
        for function in self.functions.values():
            for one in function.references:
                kind, what, _ = one.target
                if kind == "symbol" and what not in self.data and not _branches(function, one):
                    found.setdefault(str(what), set()).add(function.name)
        return {name: frozenset(takers) for name, takers in found.items()}

    def _said(self) -> Iterator[tuple[str, tuple[Reference, ...]]]:
        for function in self.functions.values():
            yield function.name, function.references
            for _, _, references in function.entries:
                yield function.name, references
        for data in self.data.values():
            yield data.name, data.references


def _branches(function: Function, reference: Reference) -> bool:
    """Return whether the reference is the target of a call, jmp or jcc."""
    if reference.kind in (R_PLT32, R_PC8):
        return True
    before = function.code[max(0, reference.offset - 2) : reference.offset]
    jcc = before[:1] == b"\x0f" and before[1:2] and 0x80 <= before[1] <= 0x8F
    return reference.kind == R_PC32 and (before[-1:] in (b"\xe8", b"\xe9") or bool(jcc))
