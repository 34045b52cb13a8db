# SPDX-License-Identifier: MIT
"""Whether a wrapper can hand on what a function takes and returns: mode refcount."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from lppack.consistency import EngineName, Mode
from lppack.document import Document
from lppack.rules.registry import PLAN, rule
from lppack.rules.replaced import patched_functions
from lppack.rules.runner import Fault, safe

if TYPE_CHECKING:
    from lppack.kernel.facts import Facts

#: System V ABI for x86-64, 3.2.3: so many words of arguments are in registers.
REGISTERS = 6
#: More than any function of the kernel takes.
_MOST = 20
_WORD = r"(bool|[su](8|16|32|64)|enum .*|.* \*|.* \[\]|function)"

Sizes = Callable[[str], int | None]


def words(signature: Sequence[str], size_of: Sizes) -> int | str:
    """How many words such a function takes; a text: why no wrapper can stand for it.

    ``signature`` as Btf.signature() gives it; ``size_of`` gives the bytes of a struct or union,
    None for other types. Words beyond the registers lie on the stack, one behind the other; a
    struct that is split over both, or a result of more than one word, is for the compiler alone.
    """
    result, *parameters = signature
    if "..." in parameters:
        return "takes a variable number of arguments"
    if result != "void" and _bytes(result, size_of) > 8:
        return f"returns {result} by value, which is more than a word"
    taken = [(_bytes(text, size_of) + 7) // 8 for text in parameters]
    if sum(taken) > REGISTERS and max(taken) > 1:
        return "takes a struct by value that is not in registers"
    if sum(taken) > _MOST:
        return f"takes {sum(taken)} words"
    return sum(taken)


def _bytes(text: str, size_of: Sizes) -> int:
    if re.fullmatch(_WORD, text):
        return 8
    if text in ("s128", "u128"):
        return 16
    # An unnamed enum that has a typedef is neither; structs of more than 16 bytes are in memory.
    size = size_of(text) or 8
    return size if size <= 16 else 8 * (REGISTERS + 1)


def words_of(facts: "Facts", object_: str | None, function: str) -> int | str:
    """Return how many words the arguments of a function of the kernel take, or why it is unknown.

    Of a function that is not known, return as many as are in registers: build then compares the
    replacement with that.
    """
    if object_ is not None and not facts.has_module(object_):
        return REGISTERS

    def size_of(name: str) -> int | None:
        return max((layout.size for layout in facts.layouts(name, module=object_)), default=None)

    found = [words(signature, size_of) for signature in facts.signatures(function, module=object_)]
    refused = [text for text in found if isinstance(text, str)]
    return refused[0] if refused else max([REGISTERS, *(n for n in found if isinstance(n, int))])


@rule(needs=PLAN)
def counted_functions_can_be_wrapped(
    document: Document, mode: Mode, engine: str, facts: "Facts"
) -> Iterator[Fault]:
    """Mode refcount calls each replaced function through a wrapper, which counts the visit.

    It passes on all arguments, in registers and on the stack, and a result of one word. A function
    with a variable number of arguments, or with structs passed by value in memory, cannot be called
    this way. Checked by `plan`; for functions that the kernel's BTF does not know, by `build`, with
    the compiler.
    """
    if not mode.counts or engine not in ("auto", EngineName.CONSISTENCY):
        return
    for pointer, object_, old, _ in patched_functions(document):
        found = words_of(facts, None if object_ == "vmlinux" else object_, old)
        if isinstance(found, str):
            yield Fault(
                pointer,
                f'"{safe(old)}" {safe(found)}, so its calls cannot be counted',
                "mode kpatch gives the same, and looks at stacks instead",
            )
