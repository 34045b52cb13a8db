# SPDX-License-Identifier: MIT
"""Names of symbols without what the compiler has counted in them."""

import re
from collections import Counter
from collections.abc import Iterable

from lppack.kernel.elf64 import ElfSymbol

STT_FUNC = 2
# gcc numbers what is static in a function, tables that it makes of a switch (CSWTCH), and string
# constants; include/linux/compiler-gcc.h: __UNIQUE_ID() counts all that a file has, and so does
# BTF_ID() of include/linux/btf_ids.h.
COUNTED = re.compile(r"\.\d+$")
# Of __UNIQUE_ID_, the last number is counted: the name before it may have others (ipv4).
UNIQUE = re.compile(r"(__UNIQUE_ID_\w*?)\d+(?=[^\W\d]*(?:\W|$))|(__BTF_ID__\w+__)\d+$")


def plain_names(symbols: Iterable[ElfSymbol]) -> dict[str, str]:
    """Symbol -> its name without what was counted; with its place among those of one name."""
    seen: Counter[str] = Counter()
    plain: dict[str, str] = {}
    for symbol in symbols:
        name = symbol.name
        if not name or name in plain:
            continue
        if symbol.kind == STT_FUNC:
            plain[name] = UNIQUE.sub(r"\1\2", name)
            continue
        base = UNIQUE.sub(r"\1\2", COUNTED.sub("", name))
        if base == name:
            plain[name] = name
            continue
        plain[name] = f"{base}#{seen[base]}"
        seen[base] += 1
    return plain
