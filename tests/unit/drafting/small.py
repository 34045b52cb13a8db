# SPDX-License-Identifier: MIT
"""A kernel with fs/small.c in it, and drafts of its functions."""

from pathlib import Path

from lppack.csource.changes import Changes, compare
from lppack.csource.parse import parse
from lppack.drafting.extract import extract
from lppack.drafting.headers import Private
from lppack.drafting.places import Places
from lppack.drafting.text import c_text
from lppack.drafting.wired import wired_of
from lppack.kernel.btf import Layout
from lppack.kernel.exports import Export
from lppack.kernel.symbols import Symbol
from tests.kit.c_sample import FILE, known
from tests.kit.fake_facts import FakeFacts, symbol
from tests.unit.drafting.code import file_of, function, variable

HEADER = parse("fs/small.h", "struct other {\n\tint x;\n};\nint used_elsewhere(void);\n")


class Small(FakeFacts):
    """A kernel with fs/small.c in it; `table` is exported, `helper` is where a test puts it."""

    def __init__(self, *symbols: Symbol, module: str | None = None) -> None:
        super().__init__({"vmlinux": [], module or "small": []})
        self.objects[module or "vmlinux"] += symbols

    def exported(self, name: str) -> Export | None:
        if name != "mutex_lock":
            return None
        return Export(name=name, gpl=False, module=None, namespace=None)

    def modules_with(self, function: str) -> tuple[str, ...]:
        others = (name for name in self.objects if name != "vmlinux")
        return tuple(name for name in others if self.module_copies(name, function))

    def module_folder(self, module: str) -> str | None:
        return "drivers/tiny" if module == "far" else "fs"

    def layouts(self, name: str, *, module: str | Path | None = None) -> tuple[Layout, ...]:
        return (Layout(name=name, size=16, members=()),) if name == "struct thing" else ()


def changes(new: str, old: str = FILE, path: str = "fs/small.c") -> Changes:
    return compare(parse(path, old, known), parse(path, new, known))


TWICE = changes(FILE.replace("2 * x", "2 * (x)"))


def places_of(*names: str, module: str | None = None, data: tuple[str, ...] = ()) -> Places:
    """A kernel in which the file compiled to functions ``names`` and variables ``data``."""
    symbols = [symbol(name) for name in (*names, *data)]
    code = file_of(*map(function, names), *map(variable, data))
    return Places(Small(*symbols, module=module), module or "vmlinux", code)


FUNCTIONS = ("helper", "show", "__do_sys_small")


DATA = ("lock", "used", "table")


WHOLE = places_of(*FUNCTIONS, data=DATA)


def here(_path: str) -> Places:
    return WHOLE


def text_of(edit: Changes, replaced: list[str], *stub: str) -> str:
    made = extract(edit, {name: f"lp_{name}" for name in replaced}, WHOLE, {})
    private = Private(made, {"fs/small.h": HEADER}.get)
    return c_text(made, "/* head */", private, wired_of(made, WHOLE), stubs=stub)
