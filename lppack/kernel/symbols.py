# SPDX-License-Identifier: MIT
"""What is known of one symbol, and whether a livepatch can replace it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

# gcc's names for changed copies of a function (gcc/ipa-split.cc and others), and clang's.
_CLONE = re.compile(r"(\.(isra|constprop|part|cold|localalias|lto_priv|llvm)(\.\d+)*)+")

# arch/x86/include/asm/ftrace.h (v6.1), FTRACE_MCOUNT_MAX_OFFSET: the call to __fentry__ may
# follow an ENDBR instruction (arch/x86/include/asm/ibt.h, ENDBR_INSN_SIZE with IBT).
ENDBR_SIZE = 4


# tools/objtool/elf.c, elf_create_prefix_symbol() (v6.2): the padding before a function has a name.
PADDING = "__pfx_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """One symbol of vmlinux or of a module; others may have the same name."""

    name: str
    address: int  # as linked (no KASLR); in a module: offset in its section
    type: str  # one letter, as nm prints it
    sympos: int  # from 1, as struct klp_func counts old_sympos
    traceable: bool  # has a call to __fentry__ that ftrace finds from its address
    init: bool  # is freed when the kernel (or the module) has been initialised
    size: int | None = None  # None: not known, as for the last symbol of vmlinux
    section: int | None = None  # index of its section in a module; None: in vmlinux


class SymbolVerdict(StrEnum):
    PATCHABLE = "patchable"
    AMBIGUOUS = "ambiguous"
    MISSING = "missing"
    UNTRACEABLE = "untraceable"
    INIT = "init"
    CLONE_ONLY = "clone-only"
    INLINED = "inlined"  # only if the debug package was read; else it is MISSING


def verdict(copies: Sequence[Symbol], clones: Sequence[str], sympos: int | None) -> SymbolVerdict:
    """Return whether a livepatch can replace this function, or why it cannot.

    ``sympos`` None or 0: none was given, so the name must be unique (kernel/livepatch/core.c,
    klp_find_object_symbol(), v6.1).
    """
    if not copies:
        return SymbolVerdict.CLONE_ONLY if clones else SymbolVerdict.MISSING
    if not sympos and len(copies) > 1:
        return SymbolVerdict.AMBIGUOUS
    chosen = next((copy for copy in copies if copy.sympos == (sympos or 1)), None)
    if chosen is None:
        return SymbolVerdict.MISSING
    if chosen.init:
        return SymbolVerdict.INIT
    return SymbolVerdict.PATCHABLE if chosen.traceable else SymbolVerdict.UNTRACEABLE


def is_clone(name: str, of: str) -> bool:
    """Return True if ``name`` is one of the compiler's changed copies of function ``of``."""
    return name.startswith(f"{of}.") and _CLONE.fullmatch(name[len(of) :]) is not None
