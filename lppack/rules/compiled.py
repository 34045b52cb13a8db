# SPDX-License-Identifier: MIT
"""Rules of the compiled sources; checked before build strips the module."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lppack.elf.dwarf import CompiledLayout, CompiledTypes
from lppack.errors import Level, Problem
from lppack.kernel.facts import Facts
from lppack.model import Plan
from lppack.rules.counted import words
from lppack.rules.registry import COMPILED, rule
from lppack.rules.view import CompiledFault

if TYPE_CHECKING:
    from lppack.kernel.btf import Layout


_OWN_NAME = "include the kernel's header; if this is another type, rename it"


@rule(needs=COMPILED)
def structures_are_the_kernels(
    compiled: CompiledTypes, plan: Plan, facts: Facts
) -> Iterator[CompiledFault]:
    """Each struct that the patch uses has the memory layout that the kernel's BTF records.

    With a wrong copy of a private struct, or a header for another configuration, the patch would
    read and write at wrong offsets. A struct that the kernel does not have is the author's own. A
    struct of the author that has the name of a kernel struct must be renamed.
    """
    for layout in compiled.layouts:
        known = [
            found
            for module in (None, *_modules(plan, facts))
            for found in facts.layouts(layout.name, module=module)
        ]
        if known and not any(_same(layout, found) for found in known):
            yield CompiledFault(
                f"{layout.name} {_difference(layout, known[0])} in {facts.release}", _OWN_NAME
            )


@rule(needs=COMPILED)
def replacements_have_the_originals_prototypes(
    compiled: CompiledTypes, plan: Plan, facts: Facts
) -> Iterator[CompiledFault]:
    """A replacement has the prototype of the original, because its callers are not compiled again.

    Typedefs and qualifiers are ignored. If the kernel has several functions of that name, the
    prototype of any one is accepted.
    """
    signatures = dict(compiled.signatures)
    for entry in plan.patched:
        if entry.name is not None and not facts.has_module(entry.name):
            continue
        for function in entry.functions:
            known = facts.signatures(function.old, module=entry.name)
            if known and function.new in signatures and signatures[function.new] not in known:
                prototypes = facts.prototypes(function.old, module=entry.name)
                own = [text.replace(f"{function.old}(", f"{function.new}(") for text in prototypes]
                yield CompiledFault(
                    f"{function.new}() is {_words(signatures[function.new])}; it replaces "
                    f"{' or '.join(prototypes)}, which is {' or '.join(map(_words, known))}",
                    f"write: {' or '.join(own)}" if own else None,
                )


@rule(needs=COMPILED)
def counted_replacements_fit_their_wrappers(
    compiled: CompiledTypes, plan: Plan, facts: Facts
) -> Iterator[CompiledFault]:
    """Mode refcount: a wrapper passes on exactly the argument words that the replacement takes.

    `plan` knows the number of words for functions in the kernel's BTF. For other functions, such as
    those of a test's target, it assumes as many words as fit into the argument registers.
    """
    signatures = dict(compiled.signatures)
    sizes = {layout.name: layout.size for layout in compiled.layouts}
    for entry in plan.patched if plan.counts else ():
        for function in entry.functions:
            if function.new not in signatures:
                continue
            found = words(signatures[function.new], sizes.get)
            if isinstance(found, int) and found > function.words:
                found = f"takes {found} words, and its prototype is not in the kernel's BTF"
            if isinstance(found, str):
                yield CompiledFault(f"{function.new}() {found}, so its calls cannot be counted")


def _modules(plan: Plan, facts: Facts) -> Iterator[str]:
    for entry in plan.modules:
        if entry.name is not None and facts.has_module(entry.name):
            yield entry.name


def _same(compiled: CompiledLayout, known: "Layout") -> bool:
    return compiled.size == known.size and compiled.members == _places(known)


def _places(known: "Layout") -> tuple[tuple[str, int], ...]:
    return tuple((member.name, member.offset) for member in known.members)


def _difference(compiled: CompiledLayout, known: "Layout") -> str:
    """Describe the first member whose offset differs, or else the size."""
    theirs = dict(_places(known))
    for name, offset in compiled.members:
        if name not in theirs:
            return f"has a member {name}, which does not exist"
        if theirs[name] != offset:
            return f"has {name} at {_byte(offset)}, but at {_byte(theirs[name])}"
    missing = theirs.keys() - dict(compiled.members).keys()
    if missing:
        return f"lacks the member {min(missing)}, which exists"
    return f"has {compiled.size} bytes, but {known.size}"


def _byte(bits: int) -> str:
    return f"byte {bits // 8}" + (f" bit {bits % 8}" if bits % 8 else "")


def _words(signature: tuple[str, ...]) -> str:
    result, *parameters = signature
    return f"{result} ({', '.join(parameters) or 'void'})"


def compiled_problems(compiled: CompiledTypes, plan: Plan, facts: Facts) -> list[Problem]:
    """Return all problems that the rules of compiled sources find."""
    return [
        _problem(found, entry.id, plan)
        for entry in COMPILED.entries()
        for found in entry.rule(compiled, plan, facts)
    ]


def _problem(found: CompiledFault, rule: str, plan: Plan) -> Problem:
    file, line = _place(found.text, plan) or (plan.manifest.path, 1)
    return Problem(
        file=str(file),
        line=line,
        column=1,
        level=Level.ERROR,
        rule=rule,
        message=found.text,
        hint=found.hint,
    )


def _place(text: str, plan: Plan) -> tuple[Path, int] | None:
    """Return where the author's files define the function or struct that ``text`` begins with.

    Return None if no file defines it.
    """
    named = re.match(r"(?P<function>\w+)\(\)|(?P<tag>(?:struct|union) \w+)", text)
    if named is None:
        return None
    wanted = rf"{named['tag']}\s*\{{"
    if named["function"]:
        wanted = rf"\b{named['function']}\s*\([^;{{}}]*\)\s*\{{"
    for name in (*plan.manifest.sources, *plan.manifest.headers):
        file = plan.manifest.folder / name
        with contextlib.suppress(OSError):
            code = file.read_text(errors="replace")
            if at := re.search(wanted, code):
                return file, code.count("\n", 0, at.start()) + 1
    return None
