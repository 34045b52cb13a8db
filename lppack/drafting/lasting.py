# SPDX-License-Identifier: MIT
"""Variables of the kernel that a change moves to another file, or renames."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lppack.csource.items import ItemKind, ParsedFile
from lppack.proof.objects import Data, ObjectFile
from lppack.proof.prover import Comparison

# Where variables live as long as their object; of .data..percpu each processor has its own.
_SECTION = re.compile(r"\.(?:data|bss|rodata)\b(?:\.\.(?!read_mostly|cacheline_aligned)\w+)?")

# Made by the compiler, kbuild, or macros that tell or register something.
_MADE = re.compile(
    r"\.|_rs\b|__(?:key|warned|already_done|print_once|func__|UNIQUE_ID|ADDRESSABLE|addressable"
    r"|ksymtab|kstrtab|kcrctab|param|setup|initcall|exitcall|event|syscall_meta|bpf_trace"
    r"|tracepoint|tpstrtab|traceiter|SCK|SCT|BTF_ID)(?:_|\b)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedData:
    """A variable that one file of an object defined, and another one defines now."""

    object: str
    before: str  # path
    after: str
    old: Data
    new: Data
    alone: bool  # no other file of the object has or had a variable of that name

    @property
    def name(self) -> str:
        return self.new.name

    @property
    def is_same(self) -> bool:
        """Return True if the kernel's variable can be used: same size, kind and initial value."""
        return self.alone and _kind(self.old) == _kind(self.new)

    @property
    def is_kernels(self) -> bool:
        """Return True if the patch must use the kernel's variable, not a copy of constant data."""
        return self.is_same and self.new.writable


def moved(comparison: Comparison) -> tuple[MovedData, ...]:
    """Return the variables that moved; if several files are possible, return each pair."""
    units = [unit for unit in comparison.units if not unit.error]
    pairs = [
        (object_, name, old, new)
        for new in units
        for name in new.added_data
        for old in units
        if name in old.removed_data and (old.after is None or old is not new)
        for object_ in new.unit.objects
        if object_ in old.unit.objects
    ]
    known = [(object_, name) for object_, name, _, _ in pairs]
    return tuple(
        MovedData(
            object=object_,
            before=old.unit.path,
            after=new.unit.path,
            old=old.before.data[name],
            new=new.after.data[name],
            alone=known.count((object_, name)) == 1,
        )
        for object_, name, old, new in pairs
        if old.before is not None and new.after is not None
        if any(_SECTION.match(of.data[name].section) for of in (old.before, new.after))
    )


def moved_data(comparison: Comparison) -> dict[tuple[str, str, str], str]:
    """Map (path, object, name) of each variable of which the kernel has its own, by the file that
    defined it, to that file."""
    return {(m.after, m.object, m.name): m.before for m in moved(comparison) if m.is_kernels}


def perhaps_another(comparison: Comparison) -> Iterator[str]:
    """Yield variables with the same name in another file that may be another variable."""
    for one in moved(comparison):
        if one.is_kernels and one.old.static and one.new.static:
            yield (
                f"{one.name} is static in {one.after} as it was in {one.before}: if it is another "
                "variable of that name, the patch uses the wrong one"
            )


def perhaps_renamed(comparison: Comparison, files: Sequence[ParsedFile] = ()) -> Iterator[str]:
    """Yield possible renamed variables, whose current value would be lost.

    ``files`` are new ones, of which no object code is known.
    """
    known = [one for one in moved(comparison) if one.is_kernels]
    left = {(one.before, one.name) for one in known}
    taken = {(one.after, one.name) for one in known}
    written = [
        f"{item.name} of {file.path}"
        for file in files
        for item in file.items
        if item.kind is ItemKind.VARIABLE and not item.const
    ]
    units = [unit for unit in comparison.units if not unit.error]
    for unit in units:
        for old in _that_live(unit.before, unit.removed_data, unit.unit.path, left):
            new = [
                f"{one.name} of {other.unit.path}"
                for other in units
                if {*other.unit.objects} & {*unit.unit.objects}
                for one in _that_live(other.after, other.added_data, other.unit.path, taken)
                if other is unit or one.size == old.size
            ]
            if new := [*dict.fromkeys([*new, *written])]:
                more = f" and {len(new) - 3} more" if len(new) > 3 else ""
                yield (
                    f"{old.name} of {unit.unit.path} is gone, and new: {', '.join(new[:3])}{more}: "
                    "if it is the same by another name, or of another type, what it holds is not "
                    "taken over"
                )


def _that_live(
    code: ObjectFile | None, names: Iterable[str], path: str, but: Collection[tuple[str, str]]
) -> Iterator[Data]:
    """Yield the variables that code writes to, without those of the compiler or of kbuild."""
    for data in (code.data[name] for name in names) if code else ():
        own = data.section.startswith((".bss", ".data")) and not _MADE.match(data.name)
        if data.writable and own and (path, data.name) not in but:
            yield data


def _kind(data: Data) -> object:
    """Return all properties of a variable except its name and its visibility."""
    section = _SECTION.match(data.section)
    return data.size, data.key, data.writable, section[0] if section else data.section
