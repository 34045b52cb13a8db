# SPDX-License-Identifier: MIT
"""SYSCALL_DEFINEn, as the functions that the preprocessor makes of it."""

import re

from lppack.csource.words import by_commas

_SYSCALL = re.compile(r"^(?P<compat>COMPAT_)?SYSCALL_DEFINE\d\((?P<words>[^()]*)\)", re.MULTILINE)


def with_system_calls(text: str) -> tuple[str, list[tuple[int, int]]]:
    """``text`` with plain functions in their stead, and their entries at its end; and (offset in
    it, lines that it has less from there on)."""
    calls = list(_SYSCALL.finditer(text))
    out: list[str] = []
    shifts: list[tuple[int, int]] = []
    last = length = 0
    for call in calls:
        head = _system_call(call)
        out += [text[last : call.start()], head]
        length += call.start() - last + len(head)
        shifts.append((length, call[0].count("\n")))
        last = call.end()
    return "".join([*out, text[last:], *map(_entries, calls)]), shifts


def _system_call(match: re.Match[str]) -> str:
    """SYSCALL_DEFINEn as include/linux/syscalls.h (v6.1) makes its innermost function of it."""
    parameters = ", ".join(f"{kind} {arg}".replace("* ", "*") for kind, arg in _parameters(match))
    return f"static long {_innermost(match)}({parameters or 'void'})"


def _innermost(match: re.Match[str]) -> str:
    return ("__do_compat_sys_" if match["compat"] else "__do_sys_") + by_commas(match["words"])[0]


def _parameters(match: re.Match[str]) -> list[tuple[str, str]]:
    _, *words = by_commas(match["words"])
    return list(zip(words[::2], words[1::2], strict=False))


def _entries(match: re.Match[str]) -> str:
    """Its entries, into which the innermost function is often inlined.

    arch/x86/include/asm/syscall_wrapper.h (v6.1): SC_X86_64_REGS_TO_ARGS, SC_IA32_REGS_TO_ARGS.
    """
    name, kinds = by_commas(match["words"])[0], [kind for kind, _ in _parameters(match)]

    def entry(prefix: str, registers: str, narrow: str) -> str:
        places = registers.split()
        given = [f"({kind}){narrow}regs->{at}" for kind, at in zip(kinds, places, strict=False)]
        return (
            f"\nlong {prefix}{name}(const struct pt_regs *regs)\n{{\n"
            f"\treturn {_innermost(match)}({', '.join(given)});\n}}\n"
        )

    narrow = entry(
        "__ia32_compat_sys_" if match["compat"] else "__ia32_sys_",
        "bx cx dx si di bp",
        "(unsigned long)(u32)",
    )
    # __x64_compat_sys_ is that of x32, whose arguments come in the registers of x86-64.
    wide = "__x64_compat_sys_" if match["compat"] else "__x64_sys_"
    return entry(wide, "di si dx r10 r8 r9", "") + narrow
