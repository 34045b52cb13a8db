# SPDX-License-Identifier: MIT
"""Rules of the built module: problems that would keep it from loading, or from working."""

import re
from collections.abc import Iterator

from lppack import abi
from lppack.elf.module import ModuleFile
from lppack.rules.registry import BUILT, rule
from lppack.rules.view import Against


@rule(needs=BUILT, sources=(52,))
def module_is_a_live_patch(module: ModuleFile, against: Against) -> Iterator[str]:
    """Modinfo has livepatch=Y (check_modinfo_livepatch(), kernel/module/main.c)."""
    if module.info("livepatch") != "Y":
        yield "modinfo has no livepatch=Y: the kernel would not treat it as a live patch"


@rule(needs=BUILT, sources=(52,))
def module_depends_on_nothing(module: ModuleFile, against: Against) -> Iterator[str]:
    """Modinfo `depends` is empty: a patch must be loadable before its target.

    A patch that lppack_engine.ko moves depends only on lppack_engine.
    """
    if (module.info("depends") or "") != (abi.ENGINE if against.engine else ""):
        yield (
            f"the module depends on {module.info('depends')}: it could not be loaded "
            "before that module"
        )


@rule(needs=BUILT, sources=(18, 52))
def vermagic_is_the_kernels(module: ModuleFile, against: Against) -> Iterator[str]:
    """Vermagic begins with the exact release.

    same_magic(), kernel/module/version.c, compares all of it; an appended `+` is another release.
    """
    vermagic = module.info("vermagic") or ""
    if against.release is not None and vermagic.split(" ")[0] != against.release:
        yield f'its vermagic "{vermagic}" is not of {against.release}'


@rule(needs=BUILT, sources=(52,))
def nothing_is_weak(module: ModuleFile, against: Against) -> Iterator[str]:
    """The module has no weak symbol that the kernel lacks.

    simplify_symbols(), kernel/module/main.c, would leave it NULL.
    """
    for name in module.weak:
        if name not in (against.exports or {}):
            yield f"undefined weak symbol {name} would be NULL; list it under `symbols`"


@rule(needs=BUILT, sources=(52,))
def symbols_are_exported(module: ModuleFile, against: Against) -> Iterator[str]:
    """Each undefined symbol is in the kernel's Module.symvers; otherwise the module does not load.

    Symbols that lppack_engine.ko exports are accepted if it moves the patch.
    """
    ours = abi.ENGINE_SYMBOLS if against.engine else frozenset()
    if against.exports is not None:
        for name in module.undefined:
            if name not in against.exports and name not in ours:
                yield f"{name} is not exported by {against.release}"


@rule(needs=BUILT, sources=(21, 52))
def checksums_are_the_kernels(module: ModuleFile, against: Against) -> Iterator[str]:
    """The checksum of each symbol is the kernel's.

    check_version(), kernel/module/version.c: "disagrees about version of symbol".
    """
    for name, crc in (module.checksums if against.exports else {}).items():
        wanted = (against.exports or {}).get(name)
        if wanted is not None and wanted != crc:
            yield f"the checksum of {name} is {crc:#010x}, that of {against.release} {wanted:#010x}"


@rule(needs=BUILT, sources=(52,))
def livepatch_symbols_are_marked(module: ModuleFile, against: Against) -> Iterator[str]:
    """.klp.sym.* symbols are SHN_LIVEPATCH and well-formed.

    klp_resolve_symbols(), kernel/livepatch/core.c: `.klp.sym.OBJECT.NAME,POSITION`.
    """
    for name, marked in module.klp_symbols:
        if not marked:
            yield f"{name} is not marked as a livepatch symbol"
        if not re.fullmatch(r"\.klp\.sym\.[^.]{1,55}\.[^,]{1,511},\d+", name):
            yield f"{name} is not .klp.sym.OBJECT.NAME,POSITION"


@rule(needs=BUILT, sources=(52,))
def livepatch_relocations_are_whole(module: ModuleFile, against: Against) -> Iterator[str]:
    """Livepatch relocations and their sections are consistent, which the loader does not check in
    time.

    Every relocation names a symbol that is in the symbol table. strip renumbers the table, but not
    the relocations of livepatch sections, and 6.1 does not check the bounds. The symbols of a
    livepatch section are SHN_LIVEPATCH, and those of other sections are not (klp_resolve_symbols(),
    apply_relocations()). A livepatch section is loaded and flagged. The object in its name has its
    symbols, or depends on the module that has them. A section for a module has no symbol of
    vmlinux.
    """
    for table in module.relocations:
        named = table.section.startswith(abi.KLP_SECTION)
        if table.beyond:
            yield (
                f"section {table.section} names {table.beyond} symbols that are not in the "
                "symbol table: the module was stripped after livepatch relocations were added"
            )
        if not table.target:
            yield f"section {table.section} changes a section that does not exist"
        if named != table.livepatch or (named and not table.allocated):
            yield f"section {table.section} has the name of a livepatch section, but not its flag"
        for kind in table.types:
            if kind not in abi.RELOCATION_SIZES and named:
                yield (
                    f"section {table.section} has a relocation of type {kind}, which "
                    "the module loader does not know"
                )
        for name, marked in table.symbols:
            if marked != named:
                where = "is" if marked else "is not"
                yield f"section {table.section} uses {name}, which {where} a livepatch symbol"
        object_ = table.section.removeprefix(abi.KLP_SECTION).partition(".")[0]
        for name, _ in table.symbols if named and object_ != "vmlinux" else ():
            if name.startswith(f"{abi.KLP_SYMBOL}vmlinux."):
                yield f"section {table.section} uses {name}, which is not of {object_}"


_WIRED_AT_LOAD = ("__jump_table", ".static_call_sites")


@rule(needs=BUILT, sources=(52,))
def nothing_late_is_wired_at_load(module: ModuleFile, against: Against) -> Iterator[str]:
    """Jump tables and lists of static calls have no livepatch relocations.

    The kernel reads these tables when it loads the patch (jump_label_add_module(),
    static_call_add_module()). For a target that is loaded later, it applies the livepatch
    relocations only then.
    """
    for name in module.sections:
        late = name.startswith(abi.KLP_SECTION) and not name.startswith(
            f"{abi.KLP_SECTION}vmlinux."
        )
        if late and name.endswith(_WIRED_AT_LOAD):
            yield f"the relocations in section {name} would be applied too late"


@rule(needs=BUILT, sources=(52,))
def signature_is_at_the_end(module: ModuleFile, against: Against) -> Iterator[str]:
    """A signature is at the end of the file: strip removes it, or appends data to it.

    module_sig_check(), kernel/module/signing.c, looks for its mark only at the end.
    """
    if module.signature == "inside":
        yield (
            "the module has a signature that is not at its end: it was changed after it was signed"
        )


@rule(needs=BUILT, sources=(52,))
def module_is_stripped(module: ModuleFile, against: Against) -> Iterator[str]:
    """The module has no debug information and no BTF: they contain paths, and BTF must match
    vmlinux.

    btf_module_notify(), kernel/bpf/btf.c, logs an error if it does not match.
    """
    for name in (".debug_info", ".BTF"):
        if name in module.sections:
            yield f"the module still has section {name}"


@rule(needs=BUILT, sources=(17,))
def compiler_is_the_kernels(module: ModuleFile, against: Against) -> Iterator[str]:
    """.comment names the gcc with which the kernel was configured.

    Only the major version is compared: the options of a configuration depend on it.
    """
    wanted = re.search(r"-(\d+)", against.compiler or "")
    for text in module.compilers if wanted else ():
        found = re.search(r"GCC: \(.*\) (\d+)\.", text)
        if wanted and found and found[1] != wanted[1]:
            yield (
                f"the module was compiled by {text}, but the kernel's compiler is "
                f"{against.compiler}"
            )


def faults(module: ModuleFile, against: Against) -> list[str]:
    """Return the problems that would keep this live patch from loading, or from working."""
    return [fault for entry in BUILT.entries() for fault in entry.rule(module, against)]
