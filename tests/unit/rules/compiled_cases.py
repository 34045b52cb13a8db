# SPDX-License-Identifier: MIT
from dataclasses import dataclass
from pathlib import Path

from lppack.elf.dwarf import CompiledLayout, CompiledTypes
from lppack.kernel.btf import Layout, Member
from lppack.rules.compiled import (
    counted_replacements_fit_their_wrappers,
    replacements_have_the_originals_prototypes,
    structures_are_the_kernels,
)
from lppack.rules.registry import CompiledRule
from tests.kit.fake_facts import FakeFacts


class KnownTypes(FakeFacts):
    """vmlinux has struct file, and module conn has struct conn and conn_open()."""

    def __init__(self) -> None:
        super().__init__({"vmlinux": [], "conn": []})

    def layouts(self, name: str, *, module: str | Path | None = None) -> tuple[Layout, ...]:
        if (name, module) not in (("struct file", None), ("struct conn", "conn")):
            return ()
        members = (
            Member(name="state", type="int", offset=0, bits=None),
            Member(name="flag", type="unsigned int", offset=35, bits=1),
        )
        return (Layout(name=name, size=8, members=members),)

    def signatures(
        self, name: str, *, module: str | Path | None = None
    ) -> tuple[tuple[str, ...], ...]:
        return (("s32", "struct conn *"),) if (name, module) == ("conn_open", "conn") else ()

    def prototypes(self, name: str, *, module: str | Path | None = None) -> tuple[str, ...]:
        return ("int conn_open(struct conn *c)",) if self.signatures(name, module=module) else ()


def _layout(name: str, size: int = 8, state: int = 0, flag: str = "flag") -> CompiledTypes:
    layout = CompiledLayout(name=name, size=size, members=(("state", state), (flag, 35)))
    return CompiledTypes(layouts=(layout,), signatures=())


def _function(*signature: str, name: str = "lp_conn_open") -> CompiledTypes:
    return CompiledTypes(layouts=(), signatures=((name, signature),))


@dataclass(frozen=True)
class CompiledCase:
    """What was compiled, and a part of what the rule says of it."""

    rule: CompiledRule
    title: str
    compiled: CompiledTypes
    says: str = ""  # empty: the rule is content

    @property
    def fails(self) -> bool:
        return bool(self.says)


_COUNTED = counted_replacements_fit_their_wrappers
_STRUCTURES, _PROTOTYPES = structures_are_the_kernels, replacements_have_the_originals_prototypes

CASES = (
    CompiledCase(_STRUCTURES, "of vmlinux", _layout("struct file")),
    CompiledCase(_STRUCTURES, "of a module", _layout("struct conn")),
    CompiledCase(_STRUCTURES, "the author's own", _layout("struct ext", size=4)),
    CompiledCase(
        _STRUCTURES,
        "a member elsewhere",
        _layout("struct file", state=3),
        "struct file has state at byte 0 bit 3, but at byte 0 in",
    ),
    CompiledCase(
        _STRUCTURES,
        "one more",
        _layout("struct conn", flag="f"),
        "has a member f, which does not exist in",
    ),
    CompiledCase(_STRUCTURES, "longer", _layout("struct file", 16), "has 16 bytes, but 8 in"),
    CompiledCase(
        _STRUCTURES,
        "one less",
        CompiledTypes(
            layouts=(CompiledLayout(name="struct file", size=8, members=(("state", 0),)),),
            signatures=(),
        ),
        "lacks the member flag, which exists in",
    ),
    CompiledCase(_PROTOTYPES, "the same", _function("s32", "struct conn *")),
    CompiledCase(_PROTOTYPES, "not a replacement", _function("s64", name="lp_helper")),
    CompiledCase(_PROTOTYPES, "not known", _function("s64", name="lp_s_show")),
    CompiledCase(
        _PROTOTYPES,
        "one parameter more",
        _function("s32", "struct conn *", "bool"),
        "lp_conn_open() is s32 (struct conn *, bool); it replaces int conn_open(struct conn *c)",
    ),
    CompiledCase(
        _PROTOTYPES, "another result", _function("s64", "struct conn *"), "is s64 (struct conn *)"
    ),
    CompiledCase(_COUNTED, "in registers", _function("s32", *["u32"] * 6, name="lp_s_show")),
    CompiledCase(_COUNTED, "the author's own", _function("s32", *["u32"] * 7, name="helper")),
    CompiledCase(
        _COUNTED,
        "on the stack",
        _function("s32", *["u32"] * 7, name="lp_s_show"),
        "takes 7 words, and its prototype is not in",
    ),
    CompiledCase(
        _COUNTED,
        "variadic",
        _function("s32", "s8 *", "...", name="lp_s_show"),
        "takes a variable number of arguments",
    ),
)
