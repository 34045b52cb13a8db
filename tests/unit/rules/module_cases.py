# SPDX-License-Identifier: MIT
import struct
from dataclasses import dataclass

from lppack import abi
from lppack.rules import module
from lppack.rules.registry import BUILT, ModuleRule
from lppack.rules.view import Against
from tests.kit import tiny_elf

MODINFO = tiny_elf.MODINFO
KERNEL = Against(
    release="6.1.0-56-amd64",
    exports={"_printk": 7, "klp_enable_patch": 8},
    compiler="gcc-12",
)


@dataclass(frozen=True)
class ModuleCase:
    """A module, and a part of what the rule says of it."""

    rule: ModuleRule
    title: str
    data: bytes
    says: str = ""  # empty: the rule is content

    @property
    def fails(self) -> bool:
        return bool(self.says)


GOOD = tiny_elf.module()


_KLP = ".klp.rela."
_FOO, _BAR = ".klp.sym.vmlinux.foo,0", ".klp.sym.conn.bar,0"


def _comment(text: str) -> bytes:
    return tiny_elf.module(parts={".comment": f"{text}\0".encode()})


CASES = (
    *(ModuleCase(entry.rule, "a good one", GOOD) for entry in BUILT.entries()),
    ModuleCase(
        module.module_is_a_live_patch,
        "any module",
        tiny_elf.module([entry for entry in MODINFO if "livepatch" not in entry]),
        "livepatch=Y",
    ),
    ModuleCase(
        module.module_depends_on_nothing,
        "on its target",
        tiny_elf.module([*MODINFO[:2], "depends=conn", *MODINFO[3:]]),
        "conn",
    ),
    ModuleCase(
        module.vermagic_is_the_kernels,
        "another kernel",
        tiny_elf.module([*MODINFO[:-1], "vermagic=6.1.0-5-amd64 SMP"]),
        "vermagic",
    ),
    ModuleCase(
        module.vermagic_is_the_kernels,
        "an appended plus",
        tiny_elf.module([*MODINFO[:-1], "vermagic=6.1.0-56-amd64+ SMP"]),
        "vermagic",
    ),
    ModuleCase(module.vermagic_is_the_kernels, "none", tiny_elf.module(MODINFO[:-1]), "vermagic"),
    ModuleCase(
        module.nothing_is_weak,
        "the kernel lacks it",
        tiny_elf.module(weak=["maybe"]),
        "weak symbol maybe would be NULL",
    ),
    ModuleCase(
        module.nothing_is_weak,
        "the kernel has it",
        tiny_elf.module(undefined=["klp_enable_patch"], weak=["_printk"]),
    ),
    ModuleCase(
        module.symbols_are_exported,
        "one is not",
        tiny_elf.module(undefined=["kallsyms_on_each"]),
        "kallsyms_on_each is not exported",
    ),
    ModuleCase(
        module.checksums_are_the_kernels,
        "the same",
        tiny_elf.module(parts={"__versions": tiny_elf.versions(_printk=7)}),
    ),
    ModuleCase(
        module.checksums_are_the_kernels,
        "another",
        tiny_elf.module(parts={"__versions": tiny_elf.versions(_printk=9)}),
        "the checksum of _printk is 0x00000009",
    ),
    ModuleCase(
        module.livepatch_symbols_are_marked,
        "marked",
        tiny_elf.module(livepatch=[".klp.sym.vmlinux.s_show,2"]),
    ),
    ModuleCase(
        module.livepatch_symbols_are_marked,
        "not marked",
        tiny_elf.module(undefined=[".klp.sym.vmlinux.s_show,2"]),
        "not marked",
    ),
    ModuleCase(
        module.livepatch_symbols_are_marked,
        "no position",
        tiny_elf.module(livepatch=[".klp.sym.vmlinux.s_show"]),
        "is not .klp.sym.OBJECT",
    ),
    *(
        ModuleCase(
            module.livepatch_relocations_are_whole,
            title,
            tiny_elf.module(
                livepatch=[_FOO, _BAR], code={".text": bytes(8)}, relocations={where: [entry]}
            ),
            says,
        )
        for title, where, entry, says in (
            ("of vmlinux", f"{_KLP}vmlinux.text for .text", (0, _FOO, 4, 0), ""),
            ("of a module", f"{_KLP}conn.text for .text", (0, _BAR, 4, 0), ""),
            ("ordinary", ".rela.text for .text", (0, "_printk", 4, 0), ""),
            ("stripped after", f"{_KLP}vmlinux.text for .text", (0, 99, 4, 0), "names 1 symbols"),
            ("nowhere", f"{_KLP}vmlinux.text for .no", (0, _FOO, 4, 0), "that does not exist"),
            (
                "of an ordinary symbol",
                f"{_KLP}vmlinux.text for .text",
                (0, "_printk", 4, 0),
                "uses _printk, which is not a livepatch symbol",
            ),
            (
                "a livepatch symbol in an ordinary section",
                ".rela.text for .text",
                (0, _FOO, 4, 0),
                f"uses {_FOO}, which is a livepatch symbol",
            ),
            ("of no known type", f"{_KLP}vmlinux.text for .text", (0, _FOO, 9, 0), "of type 9"),
            (
                "of vmlinux for a module",
                f"{_KLP}conn.text for .text",
                (0, _FOO, 4, 0),
                f"uses {_FOO}, which is not of conn",
            ),
        )
    ),
    ModuleCase(
        module.livepatch_relocations_are_whole,
        "but not its flag",
        tiny_elf.module(
            livepatch=[_FOO],
            code={".text": bytes(8)},
            relocations={f"{_KLP}vmlinux.text for .text": [(0, _FOO, 4, 0)]},
        ).replace(struct.pack("<IQ", 4, 0x100042), struct.pack("<IQ", 4, 0x42)),
        "but not its flag",
    ),
    ModuleCase(
        module.nothing_late_is_wired_at_load,
        "of vmlinux",
        tiny_elf.module(sections=[".klp.rela.vmlinux.__jump_table", ".klp.rela.conn..text"]),
    ),
    *(
        ModuleCase(
            module.nothing_late_is_wired_at_load,
            name,
            tiny_elf.module(sections=[f".klp.rela.conn.{name}"]),
            name,
        )
        for name in ("__jump_table", ".static_call_sites")
    ),
    ModuleCase(module.signature_is_at_the_end, "at its end", GOOD + abi.MODULE_SIGNATURE),
    ModuleCase(
        module.signature_is_at_the_end,
        "buried",
        GOOD + abi.MODULE_SIGNATURE + b"\0",
        "not at its end",
    ),
    *(
        ModuleCase(module.module_is_stripped, name, tiny_elf.module(sections=[name]), name)
        for name in (".debug_info", ".BTF")
    ),
    ModuleCase(
        module.compiler_is_the_kernels,
        "a later build of it",
        _comment("GCC: (Debian 12.2.0-14+deb12u9) 12.9.0"),
    ),
    ModuleCase(
        module.compiler_is_the_kernels,
        "another",
        _comment("GCC: (Debian 13.2.0-1) 13.2.0"),
        "was compiled by GCC: (Debian 13.2.0-1) 13.2.0",
    ),
)
