# SPDX-License-Identifier: MIT
"""Expand SYSCALL_DEFINEn and BPF_CALL_n to functions, as the preprocessor does."""

import re
from collections import Counter

from lppack.csource.scan import conditions_at
from lppack.csource.words import by_commas

_SYSCALL = re.compile(
    r"^(?:(?P<compat>COMPAT_)?SYSCALL_DEFINE|(?P<bpf>(?:NOTRACE_)?BPF_CALL_))\d"
    r"\((?P<words>[^()]*)\)",
    re.MULTILINE,
)


#: arch/x86/include/asm/syscall_wrapper.h (v6.1): SYSCALL_DEFINE0, COMPAT_SYSCALL_DEFINE0.
_NO_ARGUMENTS = "const struct pt_regs *__unused"


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
    names = Counter(map(_innermost, calls))

    def entries(call: re.Match[str]) -> str:
        made = _entries(call)
        if names[_innermost(call)] == 1 or not made:
            return made
        # kernel/fork.c (v6.1) has clone() once for each order of its parameters.
        sides = conditions_at(text, call.start())
        return "".join(["\n", *(f"{side}\n" for side in sides), made, "#endif\n" * len(sides)])

    return "".join([*out, text[last:], *map(entries, calls)]), shifts


def _system_call(match: re.Match[str]) -> str:
    """SYSCALL_DEFINEn as include/linux/syscalls.h (v6.1) makes its innermost function of it, and
    BPF_CALL_n as include/linux/filter.h does."""
    parameters = ", ".join(f"{kind} {arg}".replace("* ", "*") for kind, arg in _parameters(match))
    if match["bpf"]:
        return f"static __always_inline u64 {_innermost(match)}({parameters or 'void'})"
    return f"static long {_innermost(match)}({parameters or _NO_ARGUMENTS})"


def _innermost(match: re.Match[str]) -> str:
    start = "____" if match["bpf"] else "__do_compat_sys_" if match["compat"] else "__do_sys_"
    return start + by_commas(match["words"])[0]


def _parameters(match: re.Match[str]) -> list[tuple[str, str]]:
    _, *words = by_commas(match["words"])
    return list(zip(words[::2], words[1::2], strict=False))


def _entries(match: re.Match[str]) -> str:
    """Its entries, into which the innermost function is often inlined.

    arch/x86/include/asm/syscall_wrapper.h (v6.1): SC_X86_64_REGS_TO_ARGS, SC_IA32_REGS_TO_ARGS.
    """
    name, kinds = by_commas(match["words"])[0], [kind for kind, _ in _parameters(match)]
    if match["bpf"]:
        return _helper(name, match)
    if not kinds:  # its entries are other names of it
        return ""

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


def _helper(name: str, match: re.Match[str]) -> str:
    """Return the function that BPF programs call: all of its five parameters are u64.

    include/linux/filter.h (v6.1): BPF_CALL_x, __BPF_CAST.
    """
    own = _parameters(match)
    rest = [f"__ur_{number}" for number in range(1, 6 - len(own))]
    parameters = ", ".join(f"u64 {arg}" for arg in [*(arg for _, arg in own), *rest])
    of = (
        "(__force typeof(__builtin_choose_expr(sizeof({0}) == sizeof(unsigned long), 0UL, ({0})0)))"
    )
    given = ", ".join(f"(__force {kind}){of.format(kind)}{arg}" for kind, arg in own)
    head = "notrace u64" if match["bpf"].startswith("NOTRACE_") else "u64"
    return f"\n{head} {name}({parameters})\n{{\n\treturn ____{name}({given});\n}}\n"
