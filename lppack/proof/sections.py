# SPDX-License-Identifier: MIT
"""What the sections of an object file are for."""

import re
from collections.abc import Iterator, Sequence

ALTERNATIVES = (".altinstr_replacement", ".altinstr_aux")
#: Written by the assembler or for objtool, and not part of what runs.
IGNORED = re.compile(
    r"\.discard\.|\.orc_|\.comment|\.note|\.eh_frame|__mcount_loc|\.return_sites"
    r"|__patchable_function_entries"
)

# Objects that the compiler generates without a symbol: UBSAN's descriptions of places
# (.Lubsan_data7), constants (.LC3). They are compared where a function refers to them.
NAMELESS = re.compile(r"\.(data|rodata)(\.rel\.ro)?(\.local)?\.\.L")

# Sections of writable variables that are static in a function. Those in other sections are the
# kernel's own (__dyndbg).
LIVING = (".data.", ".bss.")


def between(named: Sequence[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """Yield the spans of a section of ``size`` bytes that none of ``named`` covers."""
    end = 0
    for start, after in sorted(named):
        if end < start:
            yield end, start
        end = max(end, after)
    if end < size:
        yield end, size
