# SPDX-License-Identifier: MIT
"""What is known of a small kernel: a few functions, one module, and its configuration."""

import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from lppack import abi
from lppack.kernel.btf import Layout, Member
from lppack.kernel.config import parse_config
from lppack.kernel.dwarf import Code, Origin
from lppack.kernel.facts import Export, Facts
from lppack.kernel.inlining import Inlining, open_inlining, write_inlining
from lppack.kernel.symbols import Symbol, is_clone
from tests.kit.samples import RELEASE

CONFIG = parse_config(
    "CONFIG_LIVEPATCH=y\nCONFIG_MODULES=y\nCONFIG_SYSFS=y\nCONFIG_KALLSYMS_ALL=y\n"
    "CONFIG_DYNAMIC_FTRACE=y\nCONFIG_DYNAMIC_FTRACE_WITH_ARGS=y\nCONFIG_MODVERSIONS=y\n"
    "CONFIG_STACKTRACE=y\nCONFIG_HAVE_RELIABLE_STACKTRACE=y\n"
    'CONFIG_CC_VERSION_TEXT="gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"\n'
)


def symbol(name: str, sympos: int = 1, *, traceable: bool = True, init: bool = False) -> Symbol:
    return Symbol(
        name=name,
        address=0xFFFFFFFF81000000 + (zlib.crc32(name.encode()) >> 12 << 4) + sympos,
        type="t",
        sympos=sympos,
        traceable=traceable,
        init=init,
    )


#: What BTF says of those whose signature matters.
SIGNATURES = {
    "cmdline_proc_show": (("s32", "struct seq_file *", "void *"),),
    "_printk": (("s32", "s8 *", "..."),),
}
EXPORTS = {"_printk": Export(name="_printk", gpl=False, module=None, namespace=None)}


DEPENDS = {"loop": frozenset(["base"])}


class FakeFacts(Facts):
    """A kernel whose symbols are named in a dict; "vmlinux" or a module."""

    def __init__(self, objects: dict[str, list[Symbol]], inlining: Inlining | None = None) -> None:
        self.release = RELEASE
        self.lists: dict[str, str] = {}  # structs, and a list of each, at 16 bytes
        self.inlining = inlining
        # As every kernel up to 6.8 has it.
        self.objects = {**objects, "vmlinux": [*objects["vmlinux"], symbol(abi.EXIT_SRCU)]}

    def _named(self, object_: str, name: str) -> tuple[Symbol, ...]:
        return tuple(s for s in self.objects[object_] if s.name == name)

    def copies(self, name: str) -> tuple[Symbol, ...]:
        return self._named("vmlinux", name)

    def clones(self, name: str) -> tuple[str, ...]:
        return tuple(s.name for s in self.objects["vmlinux"] if is_clone(s.name, name))

    def similar(
        self,
        name: str,
        limit: int = 3,
        *,
        module: str | Path | None = None,
        variables: bool = False,
    ) -> tuple[str, ...]:
        near = [
            s.name
            for s in self.objects["vmlinux" if module is None else str(module)]
            if s.name[:4] == name[:4] and (variables or s.type in "tT")
        ]
        return tuple(near)[:limit]

    def modules_with(self, function: str) -> tuple[str, ...]:
        return tuple(
            module
            for module, symbols in self.objects.items()
            if module != "vmlinux" and any(s.name == function and s.type in "tT" for s in symbols)
        )

    def modules_with_variable(self, variable: str) -> tuple[str, ...]:
        return tuple(
            module
            for module, symbols in self.objects.items()
            if module != "vmlinux" and any(s.name == variable and s.type in "dD" for s in symbols)
        )

    def exported(self, name: str) -> Export | None:
        return EXPORTS.get(name)

    def signatures(
        self, name: str, *, module: str | Path | None = None
    ) -> tuple[tuple[str, ...], ...]:
        return SIGNATURES.get(name, ()) if module is None else ()

    def layouts(self, name: str, *, module: str | Path | None = None) -> tuple[Layout, ...]:
        if name not in self.lists:
            return ()
        member = Member(name=self.lists[name], type="struct list_head", offset=128, bits=None)
        return (Layout(name=name, size=64, members=(member,)),)

    def has_module(self, module: str | Path) -> bool:
        return str(module) in self.objects and module != "vmlinux"

    def depends(self, module: str | Path) -> frozenset[str]:
        return DEPENDS.get(str(module), frozenset())

    def module_copies(self, module: str | Path, name: str) -> tuple[Symbol, ...]:
        return self._named(str(module), name)

    def module_clones(self, module: str | Path, name: str) -> tuple[str, ...]:
        return tuple(s.name for s in self.objects[str(module)] if is_clone(s.name, name))


def inlining_of(
    symbols: Sequence[Symbol], into: Mapping[str, Sequence[str]], folder: Path | None = None
) -> Inlining:
    """What a debug package would say: each function -> the functions that it is inlined into.

    The n-th of one name is from "NAME.n.c", and what has no symbol from "NAME.c".
    """

    def origin(symbol: Symbol) -> Origin:
        stem = symbol.name.partition(".")[0]
        return Origin(stem, f"./{stem}.{symbol.sympos}.c", 1)

    of = {symbol.name: origin(symbol) for symbol in reversed(symbols)}
    codes = [
        Code(
            origin(symbol),
            (symbol.address,),
            frozenset(of.get(f, Origin(f, f"{f}.c", 1)) for f in into if symbol.name in into[f]),
        )
        for symbol in symbols
        if not symbol.name.endswith(".cold")
    ]
    with tempfile.TemporaryDirectory(dir=folder) as made:
        path = Path(made) / "inlining.sqlite"
        write_inlining(path, symbols, codes, "vmlinux")
        found = open_inlining(path)
    assert found
    return found


FACTS = FakeFacts(
    {
        "vmlinux": [
            symbol("cmdline_proc_show"),
            symbol("s_show", 1),
            symbol("s_show", 2),
            symbol("s_show", 3, traceable=False),
            symbol("do_idle", traceable=False),
            symbol("start_kernel", init=True),
            symbol("tcp_v4.isra.0"),
            symbol("worker_thread"),
            symbol("irqentry_exit_to_user_mode", traceable=False),
            symbol("syscall_exit_to_user_mode", traceable=False),
            symbol("preempt_schedule", traceable=False),
            symbol("ep_poll"),
            symbol("_printk"),
            symbol("udp_rcv"),
            symbol("udp_rcv.cold"),
            symbol("tcp_rcv"),
            symbol("tcp_rcv.part.0"),
            symbol("tcp_rcv.cold"),
            symbol("tcp_v4.constprop.0.cold"),
        ],
        "loop": [symbol("lo_open"), symbol("lo_free.isra.0"), symbol("lo_init", init=True)],
        "base": [symbol("base_get")],
    }
)

#: The same kernel, its debug package read.
DEEP = FakeFacts(
    FACTS.objects,
    inlining_of(
        FACTS.objects["vmlinux"],
        {
            "tcp_check": ["tcp_rcv", "udp_rcv", "start_kernel"],
            "ep_poll": ["worker_thread", "ep_poll"],
            "once": ["start_kernel"],
            "s_show": ["udp_rcv"],  # the first of the three
            "tcp_v4": ["udp_rcv"],  # of which there is a clone too
        },
    ),
)


def with_exit_lists(*, nodes: bool = True) -> FakeFacts:
    """A kernel as those are since 6.9; without ``nodes`` it is of a kind that nobody knows."""
    facts = FakeFacts({"vmlinux": [symbol("cmdline_proc_show")]})
    facts.objects["vmlinux"] = [
        *(one for one in facts.objects["vmlinux"] if one.name != abi.EXIT_SRCU),
        *(symbol(name) for name in (abi.EXIT_LISTS, abi.VMAP_STACK)),
    ]
    facts.lists = dict([abi.EXIT_HEAD, abi.EXIT_NODE][: 1 + nodes])
    return facts
