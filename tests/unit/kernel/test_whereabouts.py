# SPDX-License-Identifier: MIT
"""Which modules of a kernel have a function or a variable."""

from pathlib import Path

import pytest

from lppack.kernel.elf64 import Elf
from lppack.kernel.errors import FactsError
from lppack.kernel.whereabouts import modules_with, modules_with_variable
from tests.unit.proof.tiny_object import LOCAL, OBJECT, Sect, Sym, build

TEXT = Sect(".text", b"\x90" * 16)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def module(folder: Path, name: str, *symbols: Sym) -> tuple[str, Path]:
    path = folder / f"{name}.ko"
    path.write_bytes(build([TEXT], symbols))
    return name, path


def function(name: str, binding: int = LOCAL) -> Sym:
    return Sym(name, ".text", 1, binding=binding)


def test_those_that_define_it(tmp_path: Path) -> None:
    modules = dict(
        [
            module(tmp_path, "one", function("f"), function("g")),
            module(tmp_path, "two", function("f.isra.0")),
            module(tmp_path, "calls", Sym("f")),
            module(tmp_path, "data", Sym("f", ".text", 1, kind=OBJECT)),
            module(tmp_path, "near", function("f_more"), function("f0")),
            module(tmp_path, "padding", function("__pfx_h")),
        ]
    )
    assert modules_with("f", "v", modules) == ("one", "two")
    assert modules_with("g", "v", modules) == ("one",)
    assert modules_with("h", "v", modules) == ()
    assert modules_with("__pfx_h", "v", modules) == (), "it is the padding before h"
    for odd in ("", "f' OR 1=1 --", "%", "f*"):
        assert modules_with(odd, "v", modules) == ()


def test_variables_are_told_apart_from_functions(tmp_path: Path) -> None:
    names = ("count", "__func__", "count.3", "__UNIQUE_ID_author1")
    data = (Sym(name, ".text", 1, kind=OBJECT) for name in names)
    modules = dict(
        [
            module(tmp_path, "one", *data),
            module(tmp_path, "two", function("count")),
            module(tmp_path, "uses", Sym("count", kind=OBJECT)),
        ]
    )
    assert modules_with_variable("count", "v", modules) == ("one",)
    assert modules_with("count", "v", modules) == ("two",)
    for odd in ("__func__", "count.3", "__UNIQUE_ID_author1", ""):
        assert modules_with_variable(odd, "v", modules) == ()


def test_another_tree_or_version_is_another_index(tmp_path: Path) -> None:
    modules = dict([module(tmp_path, "one", function("f"))])
    assert modules_with("g", "v", modules) == ()
    module(tmp_path, "one", function("f"), function("g"))
    assert modules_with("g", "v", modules) == ("one",), "its size is another"
    assert modules_with("f", "w", {}) == ()


def test_the_index_is_made_once(tmp_path: Path, cache: Path) -> None:
    name, path = module(tmp_path, "one", function("f"))
    assert modules_with("f", "v", {name: path}) == ("one",)
    path.write_bytes(bytes(path.stat().st_size))  # of the same size: it is not read again
    assert modules_with("f", "v", {name: path}) == ("one",)
    assert len([*cache.rglob("*.sqlite")]) == 1


def test_a_module_that_cannot_be_read_leaves_no_index(tmp_path: Path, cache: Path) -> None:
    broken = tmp_path / "broken.ko"
    broken.write_bytes(b"no module")
    with pytest.raises(FactsError, match="broken"):
        modules_with("f", "v", {"broken": broken})
    assert not [*cache.rglob("*.sqlite")]
    assert Elf(module(tmp_path, "x", function("f"))[1].read_bytes(), "x").symbols()
