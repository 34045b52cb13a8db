# SPDX-License-Identifier: MIT
"""Entries of .debug_info: the same as pyelftools reads, of what a compiler has made."""

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lppack.elf.dies import entries
from lppack.elf.dwarf import compiled_types

SOURCE = """
typedef unsigned long word;
enum colour { RED, GREEN = -5 };
struct inner { char a; int b : 3; int c : 7; };
struct outer {
	struct inner one[3];
	union { long l; void (*call)(struct inner *, ...); };
	const volatile enum colour *colour;
	_Bool yes;
	word w;
};
struct outer o;
static inline __attribute__((always_inline)) int twice(int n) { int two = 2 * n; return two; }
int lp_f(struct outer *p, const char *text, ...)
{
	struct local { short s; long l; } local = { twice(p->w), 1 };
	return local.s + twice(text[0]) + (int)sizeof(local);
}
static __attribute__((noinline)) int own(int n) { return n + 1; }
word lp_g(void) { return own(o.yes); }
"""


def compiled(folder: Path, *flags: str) -> bytes:
    """Two units, linked as kbuild does it."""
    compiler = shutil.which("gcc") or shutil.which("gcc-12") or "cc"
    objects = []
    for name, text in (("x", SOURCE), ("y", SOURCE.replace("lp_", "lq_"))):
        (folder / f"{name}.c").write_text(text)
        objects.append(str(folder / f"{name}.o"))
        argv = [compiler, "-O2", "-fno-common", *flags, "-c", str(folder / f"{name}.c")]
        subprocess.run([*argv, "-o", objects[-1]], check=True, capture_output=True, timeout=60)
    argv = ["ld", "-r", "-z", "muldefs", "-o", str(folder / "both.o"), *objects]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    return (folder / "both.o").read_bytes()


def sections(data: bytes, *, relocated: bool) -> Any:
    from elftools.elf.elffile import ELFFile

    return ELFFile(io.BytesIO(data)).get_dwarf_info(relocate_dwarf_sections=relocated)


@pytest.mark.parametrize("flag", ["-gdwarf-5", "-gdwarf-4", "-gdwarf-5 -gno-strict-dwarf -g3"])
def test_tags_values_and_children_are_those_of_pyelftools(flag: str, tmp_path: Path) -> None:
    dwarf = sections(compiled(tmp_path, *flag.split()), relocated=True)
    every, by_offset = entries(dwarf)
    theirs = [die for unit in dwarf.iter_CUs() for die in unit.iter_DIEs() if not die.is_null()]
    assert len(theirs) > 60
    assert list(by_offset) == [die.offset for die in theirs]
    for mine, die in zip(every, theirs, strict=True):
        assert mine.tag == die.tag
        assert [id(child) for child in mine.children] == [
            id(by_offset[child.offset]) for child in die.iter_children()
        ]
        for name, value in mine.values.items():
            if name == "type":
                assert by_offset[value].tag == die.get_DIE_from_attribute("DW_AT_type").tag
                assert value == die.get_DIE_from_attribute("DW_AT_type").offset
            else:
                assert value == die.attributes[f"DW_AT_{name}"].value, (mine, name)
        wanted = (
            *("name", "type", "byte_size", "encoding", "external", "low_pc"),
            *("data_member_location", "data_bit_offset"),
        )
        assert set(mine.values) == {name for name in wanted if f"DW_AT_{name}" in die.attributes}


def test_types_of_it(tmp_path: Path) -> None:
    found = compiled_types(compiled(tmp_path, "-gdwarf-5"))
    layouts = {one.name: one for one in found.layouts}
    assert set(layouts) == {"struct inner", "struct outer", "struct local"}
    assert layouts["struct inner"].members == (("a", 0), ("b", 8), ("c", 11))
    assert [name for name, _ in layouts["struct outer"].members] == [
        *("one", "l", "call", "colour", "yes", "w")
    ]
    assert dict(found.signatures) == {
        "lp_f": ("s32", "struct outer *", "s8 *", "..."),
        "lp_g": ("u64",),
        "lq_f": ("s32", "struct outer *", "s8 *", "..."),
        "lq_g": ("u64",),
    }


def test_damage_ends_in_an_error_or_in_entries(tmp_path: Path) -> None:
    """Never in a loop, and in no other error than compiled_types() knows."""
    from elftools.common.exceptions import DWARFError, ELFError

    data, errors = compiled(tmp_path, "-gdwarf-5"), 0
    size = len(sections(data, relocated=True).debug_info_sec.stream.getbuffer())
    for at in range(4, size, 37):
        dwarf = sections(data, relocated=True)
        dwarf.debug_info_sec.stream.getbuffer()[at] ^= 0xFF
        try:
            entries(dwarf)
        except (DWARFError, ELFError, LookupError, ValueError):
            errors += 1
    assert errors
