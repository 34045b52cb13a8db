# SPDX-License-Identifier: MIT
"""Mode refcount: whether a wrapper can pass on the arguments and the result of a function."""

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

#: Number of argument registers (System V ABI for x86-64, 3.2.3).
REGISTERS = 6
#: More argument words than any kernel function takes.
_MOST = 20
_WORD = r"(bool|[su](8|16|32|64)|enum .*|.* \*|.* \[\]|function)"

Sizes = Callable[[str], int | None]


def words(signature: Sequence[str], size_of: Sizes) -> int | str:
    """Return how many argument words a function takes, or a text: why it cannot be wrapped.

    ``signature`` comes from Btf.signature(). ``size_of`` returns the size of a struct or union in
    bytes, None for other types. Words that do not fit into registers are on the stack, in order. A
    wrapper cannot pass on a struct that is split over both, or a result of more than one word.
    """
    result, *parameters = signature
    if "..." in parameters:
        return "takes a variable number of arguments"
    if result != "void" and _bytes(result, size_of) > 8:
        return f"returns {result} by value, which is larger than a word"
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
    # An unnamed enum with a typedef is neither of these. Structs larger than 16 bytes are in
    # memory.
    size = size_of(text) or 8
    return size if size <= 16 else 8 * (REGISTERS + 1)


def words_of(facts: "Facts", object_: str | None, function: str) -> int | str:
    """Return how many argument words a kernel function takes, or why it cannot be wrapped.

    For an unknown function, return the number of argument registers; build then compares the
    replacement with this number.
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

    The wrapper passes on all arguments, in registers and on the stack, and a result of one word. It
    cannot do so for a function with a variable number of arguments, or with structs passed by value
    in memory. `plan` checks this with the kernel's BTF. For functions that BTF does not contain,
    `build` checks it with the compiler's output.
    """
    if not mode.counts or engine not in ("auto", EngineName.CONSISTENCY):
        return
    for pointer, object_, old, _ in patched_functions(document):
        found = words_of(facts, None if object_ == "vmlinux" else object_, old)
        if isinstance(found, str):
            yield Fault(
                pointer,
                f'"{safe(old)}" {safe(found)}, so its calls cannot be counted',
                "use mode kpatch, which gives the same flags and checks stacks instead",
            )
