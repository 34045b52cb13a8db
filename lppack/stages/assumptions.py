# SPDX-License-Identifier: MIT
"""Check every assumption that lppack makes about a kernel on one kernel, without running it.

Each assumption is checked separately. For an unknown kernel the result is a list of those that do
not hold, not only the first failure of a decoder.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lppack import abi, resources
from lppack.consistency import EngineName
from lppack.errors import LppackError
from lppack.kernel import kallsyms
from lppack.kernel.btf_check import as_compiled, check
from lppack.kernel.config import read_config
from lppack.kernel.errors import FactsError
from lppack.kernel.exports import Export, find_export, read_exports
from lppack.kernel.image import parse_image
from lppack.kernel.modules import index_modules, open_module, parse_module
from lppack.kernel.symbols import Symbol
from lppack.kernel.vmlinux import read_symbols
from lppack.model import Kernel
from lppack.rules.own_engine import TRIED
from lppack.stages.ways_out import unknown_ways, ways

if TYPE_CHECKING:
    from lppack.kernel.btf_check import CheckedBtf
    from lppack.kernel.elf64 import Elf
    from lppack.kernel.image import Image
    from lppack.kernel.kallsyms import KallsymsEntry

_MODULES = 20  # number of the kernel's modules to read
#: Functions of kernel/livepatch that templates/module calls.
_EXPORTED = (
    *("klp_enable_patch", "klp_get_state", "klp_get_prev_state", "klp_shadow_get"),
    *("klp_shadow_get_or_alloc", "klp_shadow_free", "klp_shadow_free_all"),
)
#: include/linux/livepatch.h (v6.1): the members that templates/module sets.
_LAYOUTS = {
    "klp_patch": ("mod", "objs", "states", "replace"),
    "klp_object": ("name", "funcs", "callbacks"),
    "klp_func": ("old_name", "new_func", "old_sympos"),
    "klp_state": ("id", "version", "data"),
}
_NEEDED = re.compile(r'lpe_need\("(\w+)"\)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    name: str
    text: str
    source: str  # file of the kernel's sources
    engine: EngineName | None  # the engine that needs it; None: all of lppack
    check: "Callable[[_Tried], str]"  # returns a text; raises LppackError if it does not hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    assumption: Assumption
    holds: bool
    text: str  # what was found, or why it does not hold


class _Tried:
    """One kernel, whose parts are decoded on first use."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    @cached_property
    def image(self) -> "Image":
        try:
            data = self.kernel.image.read_bytes()
        except OSError as error:
            raise FactsError(f"{self.kernel.image}: {error.strerror}") from error
        return parse_image(data, self.kernel.image)

    @cached_property
    def elf(self) -> "Elf":
        return self.image.vmlinux()

    @cached_property
    def entries(self) -> "tuple[KallsymsEntry, ...]":
        return kallsyms.decode(self.elf)

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(entry.name for entry in self.entries)

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        return read_symbols(self.elf)

    @cached_property
    def exports(self) -> dict[str, Export]:
        known = {(entry.name, entry.address) for entry in self.entries}
        return {one.name: one for one in read_exports(self.elf, known)}

    @cached_property
    def types(self) -> "CheckedBtf":
        return check(self.elf.content(self.elf.section(".BTF")), self.elf.what)


def _image(tried: _Tried) -> str:
    found, kernel = tried.image, tried.kernel
    if (found.release, found.version) != (kernel.release, kernel.version):
        raise FactsError(f"the image is of {found.release} {found.version}, not {kernel.version}")
    return f"{found.release} {found.version}"


def _unpacks(tried: _Tried) -> str:
    return f"{len(tried.elf.data)} bytes, {len(tried.elf.sections)} sections"


def _kallsyms(tried: _Tried) -> str:
    return f"{len(tried.entries)} symbols"


def _sites(tried: _Tried) -> str:
    traceable = sum(symbol.traceable for symbol in tried.symbols)
    return f"{traceable} of {len(tried.symbols)} symbols have a call of __fentry__"


def _exports(tried: _Tried) -> str:
    if not tried.exports:
        raise FactsError("vmlinux exports nothing: it has no __ksymtab")
    return f"{len(tried.exports)} exports, {sum(e.gpl for e in tried.exports.values())} for the GPL"


def _symvers(tried: _Tried) -> str:
    path = tried.kernel.headers / "Module.symvers"
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError as error:
        raise FactsError(f"{path}: {error.strerror}") from error
    theirs = {words[1] for line in lines if (words := line.split("\t"))[2:3] == ["vmlinux"]}
    differ = sorted(theirs ^ tried.exports.keys())
    for name in sorted(theirs - set(differ))[:: max(1, len(theirs) // 200)]:
        listed = find_export(path, name)
        if listed is None or listed.gpl != tried.exports[name].gpl:
            differ.append(name)
    if differ:
        raise FactsError(f"{len(differ)} differ, such as {', '.join(differ[:3])}")
    return f"{len(theirs)} exports of vmlinux"


def _btf(tried: _Tried) -> str:
    return f"{len(tried.types.functions)} functions, {len(tried.types.types)} types"


def _prototypes(tried: _Tried) -> str:
    names = {*tried.names, *(name.partition(".")[0] for name in tried.names)}
    functions = as_compiled(tried.types.functions, names)
    unknown = [name for name, _ in functions if name not in names]
    if unknown:
        raise FactsError(f"kallsyms lacks {unknown[0]} and {len(unknown) - 1} others")
    return f"{len(functions)} functions with their prototypes"


def _layouts(tried: _Tried) -> str:
    from lppack.kernel.facts import open_facts

    with open_facts(tried.kernel) as facts:
        for name, members in _LAYOUTS.items():
            found = facts.layouts(f"struct {name}")
            if len(found) != 1:
                raise FactsError(f"{len(found)} layouts of struct {name}")
            lacking = sorted(set(members) - {member.name for member in found[0].members})
            if lacking:
                raise FactsError(f"struct {name} has no {', '.join(lacking)}")
    return f"structs {', '.join(_LAYOUTS)}"


def _configured(tried: _Tried) -> str:
    config = read_config(tried.kernel.config)
    wanted = (*abi.LIVEPATCH_CONFIG, *abi.RELIABLE_STACKS)
    lacking = [name for name in wanted if not config.is_on(name)]
    if not any(map(config.is_on, abi.LIVEPATCH_FTRACE)):
        lacking += [" or ".join(abi.LIVEPATCH_FTRACE)]
    if config.is_on("TRIM_UNUSED_KSYMS"):
        raise FactsError("CONFIG_TRIM_UNUSED_KSYMS is on")
    if lacking:
        raise FactsError(f"CONFIG_{', CONFIG_'.join(lacking)} is not on")
    return ", ".join(wanted)


def _callable(tried: _Tried) -> str:
    lacking = [name for name in _EXPORTED if name not in tried.exports]
    if lacking:
        raise FactsError(f"not exported: {', '.join(lacking)}")
    return ", ".join(_EXPORTED)


def _headers(tried: _Tried) -> str:
    from lppack.builders.headers import find

    found = find(tried.kernel)
    path = tried.kernel.headers / "include/generated/utsrelease.h"
    text = path.read_text(errors="replace") if path.is_file() else ""
    if f'"{tried.kernel.release}"' not in text:
        raise FactsError(f"{path} belongs to another kernel than {tried.kernel.release}")
    return f"{found.own.installed}, {found.common.installed}, {found.kbuild.installed}"


def _compiler(tried: _Tried) -> str:
    from lppack.builders.protocol import compiler_of

    return compiler_of(tried.kernel)


def _modules(tried: _Tried) -> str:
    from lppack.elf.module import read_module

    paths = sorted(index_modules(tried.kernel.modules).values())
    if not paths:
        raise FactsError(f"no module in {tried.kernel.modules}")
    chosen = paths[:: max(1, len(paths) // _MODULES)][:_MODULES]
    symbols = 0
    for path in chosen:
        elf = open_module(path)
        symbols += len(parse_module(elf))
        vermagic = read_module(elf.data).info("vermagic") or ""
        if vermagic.split(" ")[0] != tried.kernel.release:
            raise FactsError(f'{path}: its vermagic is "{vermagic}"')
    return f"{symbols} symbols in {len(chosen)} of {len(paths)} modules"


def _border(tried: _Tried) -> str:
    found = re.match(r"(\d+)\.(\d+)", tried.kernel.release)
    if unknown := unknown_ways(tried.elf, tried.entries):
        raise FactsError(f"these are not known: {', '.join(unknown)}")
    if found is None or (int(found[1]), int(found[2])) not in abi.KERNELS_OF_THE_ENGINE:
        raise FactsError(f"it was tried on {TRIED} alone")
    return ", ".join(way.what for way in ways())


def _spins(tried: _Tried) -> str:
    if read_config(tried.kernel.config).is_on("PREEMPT_RT"):
        raise FactsError("CONFIG_PREEMPT_RT is on")
    return "CONFIG_PREEMPT_RT is not on"


def _preempts(tried: _Tried) -> str:
    config = read_config(tried.kernel.config)
    if not config.is_on("PREEMPTION"):
        raise FactsError("CONFIG_PREEMPTION is not on")
    return "CONFIG_PREEMPTION is on"


def _engine_symbols(tried: _Tried) -> str:
    text = (resources.kmod_dir() / "engine/symbols.c").read_text()
    wanted = ("kallsyms_lookup_name", *_NEEDED.findall(text))
    lacking = [name for name in wanted if name not in tried.names]
    if lacking:
        raise FactsError(f"the kernel lacks {', '.join(lacking)}")
    return f"all {len(wanted)} functions found"


def _any(name: str, check: Callable[[_Tried], str], text: str, source: str) -> Assumption:
    return Assumption(name=name, text=text, source=source, engine=None, check=check)


def _own(name: str, check: Callable[[_Tried], str], text: str, source: str) -> Assumption:
    return Assumption(
        name=name, text=text, source=source, engine=EngineName.CONSISTENCY, check=check
    )


ASSUMPTIONS = (
    _any("image", _image, "the image names its kernel", "arch/x86/boot/header.S"),
    _any("vmlinux", _unpacks, "the image contains vmlinux", "arch/x86/boot/compressed/Makefile"),
    _any("kallsyms", _kallsyms, "vmlinux has its symbol table", "scripts/kallsyms.c"),
    _any(
        "ftrace-sites",
        _sites,
        "symbols have ftrace call sites",
        "include/asm-generic/vmlinux.lds.h",
    ),
    _any("exports", _exports, "vmlinux has its exports", "include/linux/export-internal.h"),
    _any("symvers", _symvers, "the headers list the same exports", "scripts/mod/modpost.c"),
    _any("btf", _btf, "vmlinux has its types", "include/uapi/linux/btf.h"),
    _any("prototypes", _prototypes, "each function in BTF is a symbol", "scripts/Makefile.btf"),
    _any(
        "livepatch-types",
        _layouts,
        "struct klp_patch has the known members",
        "include/linux/livepatch.h",
    ),
    _any("livepatch-config", _configured, "livepatch is enabled", "kernel/livepatch/Kconfig"),
    _any("livepatch-calls", _callable, "its functions are exported", "kernel/livepatch/core.c"),
    _any("headers", _headers, "the headers belong to the kernel", "scripts/package/mkdebian"),
    _any("compiler", _compiler, "gcc compiled it", "init/Kconfig: CC_VERSION_TEXT"),
    _any("modules", _modules, "its modules can be read", "kernel/module/main.c"),
    _own("border", _border, "the ways out of it are known", "kernel/entry/common.c"),
    _own("spinlocks", _spins, "a spinlock spins", "include/linux/spinlock_rt.h"),
    _own("preemption", _preempts, "it preempts as those tried", "kernel/Kconfig.preempt"),
    _own("engine-symbols", _engine_symbols, "what the engine calls is there", "kernel/kallsyms.c"),
)


def try_all(kernel: Kernel) -> Iterator[Tried]:
    """Check each assumption; a failed one does not stop the others."""
    tried = _Tried(kernel)
    for one in ASSUMPTIONS:
        try:
            yield Tried(assumption=one, holds=True, text=one.check(tried))
        except LppackError as error:
            yield Tried(assumption=one, holds=False, text=error.message)
