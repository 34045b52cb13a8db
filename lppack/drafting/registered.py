# SPDX-License-Identifier: MIT
"""Registrations of a C file with the kernel or its tools, which a patch cannot carry."""

import re

from lppack.csource.items import Item
from lppack.proof.compare import UnitDifference

_EXPORTS = ("__ksymtab", "__kstrtab", "__kcrctab", "__kflagstab")
SECTIONS = (
    *(
        (start, "an export", "modules that are loaded look for it in the kernel, not in a patch")
        for start in _EXPORTS
    ),
    (".init.setup", "a boot parameter", "it was read when the kernel started"),
    (".initcall", "an initcall", "it runs when the kernel or the module starts"),
    ("__param", "a module parameter", "it was registered when the module was loaded"),
    ("_ftrace_events", "a trace event", "it was registered when the kernel or module was loaded"),
    ("__tracepoint_", "a tracepoint", "the kernel registers those of what it was built with"),
    ("__setup_", "a boot parameter", "it was read when the kernel started"),
    *(
        (start, "what tracers know of a system call", "it was registered at the start")
        for start in ("types__", "args__", "__syscall_meta__")
    ),
    (".BTF_ids", "a list for BPF", "the kernel read it when it registered what programs may call"),
    ("__BTF_ID", "a list for BPF", "the kernel read it when it registered what programs may call"),
    ("__tracepoints", "a tracepoint", "the kernel registers those of what it was built with"),
    *(
        (start, "an address that kprobes refuse", "the kernel or the module read its list already")
        for start in ("_kbl_addr_", "_kprobe_blacklist")
    ),
    *(
        (start, "a function that may be made to fail", "its list was read already")
        for start in ("_eil_addr_", "_error_injection_whitelist")
    ),
)
# Sections whose variables a patch has with the functions that use them, or needs not have: .modinfo
# is for tools. DEFINE_STATIC_SRCU() (include/linux/srcutree.h, v6.1) makes an entry of
# ___srcu_struct_ptrs in a patch, too.
_OF_FUNCTIONS = re.compile(
    r"\.(?:data|bss|rodata|ref|init|exit)(?:\.|$)|___srcu_struct_ptrs|\.modinfo"
)
_INVOKED = (
    (r"EXPORT_", "an export"),
    (r"\w*module_param", "a module parameter"),
    (r"(?:__setup|early_param)", "a boot parameter"),
    (r"\w+_init(?:call(?:_sync)?)?\s*\(|(?:module|builtin)_\w*driver\w*\s*\(", "an initcall"),
    (r"(?:TRACE|DEFINE|DECLARE)_EVENT", "a trace event"),
    (r"BTF_(?:ID|SET)", "a list for BPF"),
    (r"MODULE_", "a note"),
    (r"NOKPROBE_SYMBOL", "an address that kprobes refuse"),
    (r"ALLOW_ERROR_INJECTION", "a function that may be made to fail"),
)


def section_of(name: str) -> tuple[str, str] | None:
    """Describe a section or variable of kbuild, and why a patch cannot carry it."""
    plain = name.lstrip("_")
    for start, what, why in SECTIONS:
        if plain.startswith(start.lstrip("_")) or name.startswith(start):
            return what, why
    return None


def registered_as(unit: UnitDifference, name: str) -> tuple[str, str] | None:
    """Describe what a differing section or variable is for, and why a patch cannot carry it; None
    for a variable that only functions use."""
    if found := section_of(name):
        return found
    files = (of for of in (unit.after, unit.before) if of is not None and name in of.data)
    for of in files:
        section = of.data[name].section
        if found := section_of(section):
            return found
        if not _OF_FUNCTIONS.match(section) and name not in of.users:
            return f"an entry of section {section}", "no patch brings one, or takes one away"
    return None


def invoked(item: Item) -> str:
    """Return what a macro at the top level registers; "" if that is not known."""
    return next((kind for pattern, kind in _INVOKED if re.match(pattern, item.text)), "")
