# SPDX-License-Identifier: MIT
"""Prototypes and layouts by name, in vmlinux and in modules."""

import sqlite3
from array import array
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lppack.kernel.btf_check import check
from lppack.kernel.btf_types import Types
from lppack.kernel.elf64 import Elf
from lppack.kernel.errors import FactsError
from tests.kit import tiny_elf
from tests.kit.fake_btf import Writer


def base() -> Writer:
    writer = Writer()
    number = writer.integer("int", 4)
    writer.struct("conn", 8, [("count", number, 0), ("limit", number, 32)])
    writer.function("open_it", number, [("n", number)])
    writer.function("twice", number, [("a", number)])
    writer.function("twice", number, [("a", number), ("b", number)])
    writer.function("same", number)
    writer.function("same", number)
    return writer


@pytest.fixture
def types() -> Iterator[Types]:
    """As kernel/cache.py keeps them."""
    checked = check(base().bytes(), "vmlinux")
    with closing(sqlite3.connect(":memory:")) as cache:
        cache.executescript(
            "CREATE TABLE btf_function (name TEXT, number INTEGER);"
            "CREATE TABLE btf_type (name TEXT, number INTEGER);"
            "CREATE TABLE btf (data BLOB, offsets BLOB);"
        )
        cache.executemany("INSERT INTO btf_function VALUES (?, ?)", checked.functions)
        cache.executemany("INSERT INTO btf_type VALUES (?, ?)", checked.types)
        offsets = array("I", checked.offsets).tobytes()
        cache.execute("INSERT INTO btf VALUES (?, ?)", (base().bytes(), offsets))
        yield Types(cache, "vmlinux")


def module(*functions: str, struct: str = "", name: str = "m") -> tuple[Path, Elf]:
    writer = Writer(base())
    number = writer.integer("u9", 4)
    for function in functions:
        writer.function(function, number, [("of_module", number)])
    if struct:
        writer.struct(struct, 4, [("own", number, 0)])
    defined: dict[str, str | tuple[str, int, int]] = dict.fromkeys(functions, ".text")
    return Path(f"{name}.ko"), Elf(
        tiny_elf.module(defined=defined, parts={".BTF": writer.bytes(), ".text": b"x"}),
        f"{name}.ko",
    )


def test_of_vmlinux(types: Types) -> None:
    assert types.prototypes("open_it") == ("int open_it(int n)",)
    assert types.signatures("open_it") == (("u32", "u32"),)
    [layout] = types.layouts("struct conn")
    assert (layout.size, [member.name for member in layout.members]) == (8, ["count", "limit"])


def test_each_once(types: Types) -> None:
    assert types.prototypes("twice") == ("int twice(int a)", "int twice(int a, int b)")
    assert types.prototypes("same") == ("int same(void)",)


@pytest.mark.parametrize("name", ["nothing", "", "open_it'; DROP TABLE btf; --", "conn"])
def test_a_name_that_nothing_has(types: Types, name: str) -> None:
    assert not types.prototypes(name)
    assert not types.signatures(name)
    assert not types.layouts(name)
    assert types.prototypes("open_it")


def test_functions_of_a_module_are_its_own(types: Types) -> None:
    own = module("open_it")
    assert types.prototypes("open_it", own) == ("u9 open_it(u9 of_module)",)
    assert types.prototypes("twice", own) == (), "those of vmlinux are not in it"


def test_a_type_is_the_modules_and_else_that_of_vmlinux(types: Types) -> None:
    own = module("f", struct="fresh")
    assert [layout.size for layout in types.layouts("struct fresh", own)] == [4]
    assert [layout.size for layout in types.layouts("struct conn", own)] == [8]
    assert types.layouts("struct fresh") == ()


def test_a_module_without_types(types: Types) -> None:
    plain = (Path("plain.ko"), Elf(tiny_elf.module(), "plain.ko"))
    assert types.prototypes("open_it", plain) == ()
    assert [layout.size for layout in types.layouts("struct conn", plain)] == [8]


def test_two_modules_are_not_mixed_up(types: Types) -> None:
    assert types.prototypes("f", module("f", name="a"))
    assert types.prototypes("f", module("g", name="b")) == ()
    assert types.prototypes("f", module("f", name="a")), "what was read is kept"


def test_damaged_types_of_a_module_are_an_error_that_names_it(types: Types) -> None:
    broken = Elf(tiny_elf.module(parts={".BTF": module("f")[1].data[:40]}), "broken.ko")
    with pytest.raises(FactsError, match=r"broken\.ko"):
        types.prototypes("f", (Path("broken.ko"), broken))
