# SPDX-License-Identifier: MIT
"""Registrations of a C file with the kernel or its tools, which a patch cannot carry."""

import re

from lppack.csource.items import Item

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
)
_INVOKED = (
    (r"EXPORT_", "an export"),
    (r"\w*module_param", "a module parameter"),
    (r"(?:__setup|early_param)", "a boot parameter"),
    (r"\w+_init(?:call(?:_sync)?)?\s*\(|(?:module|builtin)_\w*driver\w*\s*\(", "an initcall"),
    (r"(?:TRACE|DEFINE|DECLARE)_EVENT", "a trace event"),
    (r"BTF_(?:ID|SET)", "a list for BPF"),
    (r"MODULE_", "a note"),
)


def section_of(name: str) -> tuple[str, str] | None:
    """Describe a section or variable of kbuild, and why a patch cannot carry it."""
    plain = name.lstrip("_")
    for start, what, why in SECTIONS:
        if plain.startswith(start.lstrip("_")) or name.startswith(start):
            return what, why
    return None


def invoked(item: Item) -> str:
    """Return what a macro at the top level registers; "" if that is not known."""
    return next((kind for pattern, kind in _INVOKED if re.match(pattern, item.text)), "")
