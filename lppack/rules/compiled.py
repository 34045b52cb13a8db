# SPDX-License-Identifier: MIT
"""Rules of what the compiler made of the sources: asked by build, before the module is stripped."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lppack.elf.dwarf import Compiled, CompiledLayout
from lppack.kernel.facts import Facts
from lppack.model import Plan
from lppack.rules.counted import words

if TYPE_CHECKING:
    from lppack.kernel.btf import Layout

CompiledRule = Callable[[Compiled, Plan, Facts], Iterator[str]]


def structures_are_the_kernels(compiled: Compiled, plan: Plan, facts: Facts) -> Iterator[str]:
    """Each struct that the patch uses lies in memory as the kernel's BTF says it does.

    A copy of a private struct in the author's source, or another configuration of a header, would
    read and write at the wrong places. A struct that the kernel does not have is the author's own;
    one that only has the name of a kernel's has to be renamed.
    """
    for layout in compiled.layouts:
        known = [
            found
            for module in (None, *_modules(plan, facts))
            for found in facts.layouts(layout.name, module=module)
        ]
        if known and not any(_same(layout, found) for found in known):
            yield f"{layout.name} {_difference(layout, known[0])} in {facts.release}"


def replacements_have_the_originals_prototypes(
    compiled: Compiled, plan: Plan, facts: Facts
) -> Iterator[str]:
    """A replacement takes and returns what the original does: its callers are not compiled again.

    Typedefs and qualifiers do not count. Where copies of a function differ, any of them fits.
    """
    signatures = dict(compiled.signatures)
    for entry in plan.patched:
        if entry.name is not None and not facts.has_module(entry.name):
            continue
        for function in entry.functions:
            known = facts.signatures(function.old, module=entry.name)
            if known and function.new in signatures and signatures[function.new] not in known:
                prototypes = " or ".join(facts.prototypes(function.old, module=entry.name))
                yield f"{function.new}() is {_words(signatures[function.new])}; it replaces " + (
                    f"{prototypes}, which is {' or '.join(map(_words, known))}"
                )


def counted_replacements_fit_their_wrappers(
    compiled: Compiled, plan: Plan, facts: Facts
) -> Iterator[str]:
    """Mode refcount: a wrapper hands on as many words as the replacement takes.

    `plan` knows that of functions in the kernel's BTF; for others, those of a test's target, it
    takes as many words as there are in registers.
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
                yield f"{function.new}() {found}, so its calls cannot be counted"


def _modules(plan: Plan, facts: Facts) -> Iterator[str]:
    for entry in plan.modules:
        if entry.name is not None and facts.has_module(entry.name):
            yield entry.name


def _same(compiled: CompiledLayout, known: "Layout") -> bool:
    return compiled.size == known.size and compiled.members == _places(known)


def _places(known: "Layout") -> tuple[tuple[str, int], ...]:
    return tuple((member.name, member.offset) for member in known.members)


def _difference(compiled: CompiledLayout, known: "Layout") -> str:
    """The first member that lies elsewhere; else the size."""
    theirs = dict(_places(known))
    for name, offset in compiled.members:
        if name not in theirs:
            return f"has a member {name}, which is not"
        if theirs[name] != offset:
            return f"has {name} at {_byte(offset)}, which is at {_byte(theirs[name])}"
    missing = theirs.keys() - dict(compiled.members).keys()
    if missing:
        return f"lacks the member {min(missing)}, which is"
    return f"has {compiled.size} bytes, and {known.size}"


def _byte(bits: int) -> str:
    return f"byte {bits // 8}" + (f" bit {bits % 8}" if bits % 8 else "")


def _words(signature: tuple[str, ...]) -> str:
    result, *parameters = signature
    return f"{result} ({', '.join(parameters) or 'void'})"


RULES: tuple[CompiledRule, ...] = (
    structures_are_the_kernels,
    replacements_have_the_originals_prototypes,
    counted_replacements_fit_their_wrappers,
)


def compiled_faults(compiled: Compiled, plan: Plan, facts: Facts) -> list[str]:
    """What was compiled for another kernel than this one, or in place of another function."""
    return [fault for rule in RULES for fault in rule(compiled, plan, facts)]
