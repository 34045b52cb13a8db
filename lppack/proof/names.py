# SPDX-License-Identifier: MIT
"""Names of symbols without the numbers that the compiler puts into them."""

import re
from collections import Counter
from collections.abc import Iterable

from lppack.kernel.elf64 import ElfSymbol

STT_FUNC = 2
# gcc numbers static variables of functions, tables that it generates for a switch (CSWTCH), and
# string constants. __UNIQUE_ID() of include/linux/compiler-gcc.h and BTF_ID() of
# include/linux/btf_ids.h have a counter for each file.
COUNTED = re.compile(r"\.\d+$")
# After __UNIQUE_ID_, only the last number is a counter: the name before it may have others (ipv4).
UNIQUE = re.compile(r"(__UNIQUE_ID_\w*?)\d+(?=[^\W\d]*(?:\W|$))|(__BTF_ID__\w+__)\d+$")


def plain_names(symbols: Iterable[ElfSymbol]) -> dict[str, str]:
    """Map each symbol to its name without counters, followed by its place among those of one name:
    "x#0"."""
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
