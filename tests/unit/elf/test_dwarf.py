# SPDX-License-Identifier: MIT
"""What the compiler says of a file that has each kind of type, and what cannot be read."""

import shutil
import subprocess
from pathlib import Path

import pytest

from lppack.elf.dwarf import CompiledLayout, compiled_types
from lppack.errors import BuildFailed
from tests.kit import tiny_elf


def test_a_module_without_debug_information() -> None:
    with pytest.raises(BuildFailed, match="without debug information"):
        compiled_types(tiny_elf.module())


def test_no_elf_at_all() -> None:
    with pytest.raises(BuildFailed, match="cannot be read"):
        compiled_types(b"not ELF")


@pytest.mark.parametrize(
    ("relocation", "said"),
    [
        ((0, "_printk", 2, 0), "relocation type 2 in .debug_info"),
        ((0, 77, 10, 0), "index out of range"),
        ((16, "_printk", 10, 0), "pack_into requires"),
    ],
    ids=["another type", "no such symbol", "past the end"],
)
def test_a_relocation_that_cannot_be_applied(relocation: tiny_elf.Reloc, said: str) -> None:
    parts = {".debug_info": bytes(16), ".debug_abbrev": b"\0"}
    module = tiny_elf.module(parts=parts, relocations={".debug_info": [relocation]})
    with pytest.raises(BuildFailed, match=said):
        compiled_types(module)


_C = """
typedef unsigned char u8;
typedef struct { int raw; } raw_t;
typedef enum { OFF, ON } state_t;
struct inner { char c; };
struct outer {
	const volatile long first;
	union { int a; struct { u8 low; u8 high; }; };
	unsigned int bits : 3, : 2, more : 4;
	struct inner in[3];
	void (*call)(int);
};
union both { struct outer *o; u8 bytes[16]; };
struct opaque;
static union both held;
_Bool take(struct outer *o, const char *text, raw_t raw, state_t state, ...)
{
	return o && text && raw.raw && state && held.o;
}
void *give(struct opaque **p, u8 (*table)[4]) { return p ? 0 : table; }
static int own(void) { return 1; }
void run(void) { own(); }
"""


def test_what_the_compiler_says(tmp_path: Path) -> None:
    if (gcc := shutil.which("gcc") or shutil.which("gcc-12")) is None:
        pytest.skip("no gcc")
    (tmp_path / "x.c").write_text(_C)
    words = ["-c", "-O2", "-gdwarf-5", "-o", str(tmp_path / "x.o")]
    subprocess.run([gcc, *words, str(tmp_path / "x.c")], check=True)
    found = compiled_types((tmp_path / "x.o").read_bytes())
    members = {
        "struct outer": (
            *(("first", 0), ("a", 64), ("low", 64), ("high", 72), ("bits", 96), ("more", 101)),
            *(("in", 112), ("call", 192)),
        ),
        "struct inner": (("c", 0),),
        "union both": (("o", 0), ("bytes", 0)),
    }
    sizes = {"struct outer": 32, "struct inner": 1, "union both": 16}
    assert {layout.name: layout for layout in found.layouts} == {
        name: CompiledLayout(name=name, size=sizes[name], members=members[name]) for name in members
    }
    assert dict(found.signatures) == {
        "take": ("bool", "struct outer *", "s8 *", "raw_t", "state_t", "..."),
        "give": ("void *", "struct opaque * *", "u8 [] *"),
        "run": ("void",),
    }
