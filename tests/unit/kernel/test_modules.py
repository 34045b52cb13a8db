# SPDX-License-Identifier: MIT
"""Modules are found and read as the kernel would see them."""

import io
import lzma
from pathlib import Path

import pytest

from lppack.errors import EnvironmentMissing
from lppack.kernel.elf64 import Elf
from lppack.kernel.errors import FactsError
from lppack.kernel.modules import (
    find_module,
    module_name,
    parse_depends,
    parse_module,
    read_module,
)
from tests.kit import fake_image as fake


def parse(data: bytes) -> dict[tuple[str, int], tuple[str, bool, bool]]:
    symbols = parse_module(Elf(data, "victim.ko"))
    return {(s.name, s.sympos): (s.type, s.traceable, s.init) for s in symbols}


def test_symbols_of_a_module() -> None:
    assert parse(fake.module()) == {
        ("before", 1): ("t", False, False),
        ("dup_helper", 1): ("t", True, False),
        ("between", 1): ("t", False, False),
        ("dup_helper", 2): ("t", False, False),
        ("with_endbr", 1): ("t", True, False),
        ("counter", 1): ("b", False, False),
        ("work.isra.0", 1): ("t", True, False),
        ("init_module", 1): ("T", True, True),
        ("exported", 1): ("T", True, False),
    }


@pytest.mark.parametrize(
    ("modinfo", "names"),
    [
        (b"", ()),
        (b"license=GPL\0depends=\0", ()),
        (b"depends=dm-mod,drm\0name=depends\0", ("dm_mod", "drm")),
    ],
)
def test_what_it_depends_on(modinfo: bytes, names: tuple[str, ...]) -> None:
    assert parse_depends(Elf(fake.module(modinfo=modinfo), "victim.ko")) == names


def test_sympos_follows_symtab_and_not_the_address() -> None:
    swapped = list(fake.MODULE_SYMBOLS)
    swapped[4], swapped[6] = swapped[6], swapped[4]
    found = parse(fake.module(swapped))
    assert not found["dup_helper", 1][1]
    assert found["dup_helper", 2][1]


def test_the_same_is_seen_by_pyelftools() -> None:
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    table = ELFFile(io.BytesIO(fake.module())).get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    assert [s.name for s in table.iter_symbols()][1:] == [s[0] for s in fake.MODULE_SYMBOLS]


def test_a_site_behind_a_tiny_function_is_not_its_own() -> None:
    symbols = [*fake.MODULE_SYMBOLS, ("tiny", ".text", 0xF0, 4, 0, 2)]
    assert not parse(fake.module(symbols, [(2, 0xF4)]))["tiny", 1][1]
    symbols[-1] = ("tiny", ".text", 0xF0, 8, 0, 2)
    assert parse(fake.module(symbols, [(2, 0xF4)]))["tiny", 1][1]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (fake.module(kind=2), "relocation of type 2"),
        (fake.module(room=48), "48 bytes but 5 relocations"),
        (fake.module(sites=[(99, 0)]), "__mcount_loc"),
        (fake.vmlinux(), "no symbol table"),
    ],
)
def test_what_cannot_be_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(FactsError, match=says):
        parse(data)


@pytest.mark.parametrize("name", ("snd-pcm.ko", "snd_pcm.ko.xz", "snd-pcm.ko.zst"))
def test_name_of_a_file(name: str) -> None:
    assert module_name(Path("/lib") / name) == "snd_pcm"


def test_a_file_of_another_name() -> None:
    with pytest.raises(FactsError, match="not named like"):
        module_name(Path("/lib/snd.o"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("kernel/sound/snd-pcm.ko", "kernel/drivers/loop.ko", "updates/loop.ko"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(fake.module())
    return tmp_path


def test_found_by_a_walk(tree: Path) -> None:
    assert find_module(tree, "snd_pcm") == tree / "kernel/sound/snd-pcm.ko"
    assert find_module(tree, "snd-pcm") == tree / "kernel/sound/snd-pcm.ko"
    assert find_module(tree, "ext4") is None
    assert find_module(tree / "nothing", "ext4") is None


def test_found_as_depmod_says(tree: Path) -> None:
    listed = "updates/loop.ko:\nkernel/gone.ko: updates/loop.ko\nkernel/sound/snd-pcm.ko:\n"
    (tree / "modules.dep").write_text(listed)
    assert find_module(tree, "loop") == tree / "updates/loop.ko"
    assert find_module(tree, "gone") is None


def test_packed_and_plain_are_the_same(tmp_path: Path) -> None:
    plain, packed = tmp_path / "victim.ko", tmp_path / "victim.ko.xz"
    plain.write_bytes(fake.module())
    packed.write_bytes(lzma.compress(fake.module(), preset=0))
    assert read_module(plain).symbols == read_module(packed).symbols
    assert [s.sympos for s in read_module(plain).copies("dup_helper")] == [1, 2]
    with pytest.raises(EnvironmentMissing):
        read_module(tmp_path / "missing.ko")
