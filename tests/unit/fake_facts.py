# SPDX-License-Identifier: MIT
"""What is known of a small kernel: a few functions, one module, and its configuration."""

from pathlib import Path

from lppack.kernel.config import parse_config
from lppack.kernel.facts import Facts
from lppack.kernel.symbols import Symbol, is_clone
from tests.unit.samples import RELEASE

CONFIG = parse_config(
    "CONFIG_LIVEPATCH=y\nCONFIG_MODULES=y\nCONFIG_SYSFS=y\nCONFIG_KALLSYMS_ALL=y\n"
    "CONFIG_DYNAMIC_FTRACE=y\nCONFIG_DYNAMIC_FTRACE_WITH_ARGS=y\nCONFIG_MODVERSIONS=y\n"
    "CONFIG_STACKTRACE=y\nCONFIG_HAVE_RELIABLE_STACKTRACE=y\n"
    'CONFIG_CC_VERSION_TEXT="gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"\n'
)


def symbol(name: str, sympos: int = 1, *, traceable: bool = True, init: bool = False) -> Symbol:
    return Symbol(
        name=name,
        address=0xFFFFFFFF81000000 + sympos,
        type="t",
        sympos=sympos,
        traceable=traceable,
        init=init,
    )


class FakeFacts(Facts):
    """A kernel whose symbols are named in a dict; "vmlinux" or a module."""

    def __init__(self, objects: dict[str, list[Symbol]]) -> None:
        self.release = RELEASE
        self.objects = objects

    def _named(self, object_: str, name: str) -> tuple[Symbol, ...]:
        return tuple(s for s in self.objects[object_] if s.name == name)

    def copies(self, name: str) -> tuple[Symbol, ...]:
        return self._named("vmlinux", name)

    def clones(self, name: str) -> tuple[str, ...]:
        return tuple(s.name for s in self.objects["vmlinux"] if is_clone(s.name, name))

    def similar(
        self, name: str, limit: int = 3, *, module: str | Path | None = None
    ) -> tuple[str, ...]:
        object_ = "vmlinux" if module is None else str(module)
        return tuple(s.name for s in self.objects[object_] if s.name[:4] == name[:4])[:limit]

    def has_module(self, module: str | Path) -> bool:
        return str(module) in self.objects and module != "vmlinux"

    def module_copies(self, module: str | Path, name: str) -> tuple[Symbol, ...]:
        return self._named(str(module), name)

    def module_clones(self, module: str | Path, name: str) -> tuple[str, ...]:
        return tuple(s.name for s in self.objects[str(module)] if is_clone(s.name, name))


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
            symbol("ep_poll"),
            symbol("udp_rcv"),
            symbol("udp_rcv.cold"),
            symbol("tcp_rcv"),
            symbol("tcp_rcv.part.0"),
            symbol("tcp_rcv.cold"),
            symbol("tcp_v4.constprop.0.cold"),
        ],
        "loop": [symbol("lo_open"), symbol("lo_free.isra.0"), symbol("lo_init", init=True)],
    }
)
