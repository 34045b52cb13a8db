#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  lief 1.0.0 (PyPI); gcc and readelf for the input.
# Expected: to read a relocatable file and to write it unchanged gives each section the relocations that
#           it had. A livepatch module may have two sections of relocations for one section of data:
#           .rela.data, and .klp.rela.OBJECT..data, which the kernel applies by itself
#           (Documentation/livepatch/module-elf-format.rst).
# Seen:     write() puts the relocations of .rela.data into .klp.rela.vmlinux..data too, in front of its
#           own, and leaves them in .rela.data as well. There is no error, and the file is well-formed.
# Hurts:    who reads and writes livepatch modules with LIEF to change something else: the livepatch
#           section then names ordinary symbols, which the kernel refuses.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check lief==1.0.0
cd "$place"
cat > fix.c << 'C'
__attribute__((section(".data.slots"))) char **slots[1];
static int show(void)
{
	return (*slots[0])[0];
}
int (*shows)(void) = show;
C
gcc -O2 -g -fno-pic -mcmodel=kernel -c fix.c -o fix.o
cat > convert.py << 'PY'
"""Add a livepatch symbol, and a livepatch relocation of the start of a section to it, to fix.o."""
import struct
import sys

SECTION, SYMBOL = "<IIQQQQIIQQ", "<IBBHQQ"
RELA, ALLOC, INFO_LINK, RELA_LIVEPATCH, SHN_LIVEPATCH = 4, 2, 0x40, 0x100000, 0xFF20
R_X86_64_64, GLOBAL_OBJECT = 1, 1 << 4 | 1
target, to = sys.argv[1:]
data = open("fix.o", "rb").read()
(at,), (count, names_in) = struct.unpack_from("<Q", data, 0x28), struct.unpack_from("<HH", data, 0x3C)
heads = [list(struct.unpack_from(SECTION, data, at + 64 * n)) for n in range(count)]
bodies = [b"" if head[1] == 8 else data[head[4] :][: head[5]] for head in heads]
names = [bodies[names_in][head[0] :].split(b"\0")[0].decode() for head in heads]
symbols, strings = names.index(".symtab"), names.index(".strtab")


def named(where, text):
    bodies[where] += text.encode() + b"\0"
    return len(bodies[where]) - len(text) - 1


number = len(bodies[symbols]) // 24
bodies[symbols] += struct.pack(SYMBOL, named(strings, ".klp.sym.vmlinux.saved_command_line,0"), GLOBAL_OBJECT, 0, SHN_LIVEPATCH, 0, 0)
bodies.append(struct.pack("<QQq", 0, number << 32 | R_X86_64_64, 0))
flags = ALLOC | INFO_LINK | RELA_LIVEPATCH
heads.append([named(names_in, f".klp.rela.vmlinux.{target}"), RELA, flags, 0, 0, 0, symbols, names.index(target), 8, 24])
out = bytearray(data[:64])
for head, body in zip(heads[1:], bodies[1:]):
    out += bytes(-len(out) % max(head[8], 1))
    head[4], head[5] = len(out), head[5] if head[1] == 8 else len(body)
    out += body
out += bytes(-len(out) % 8)
struct.pack_into("<Q", out, 0x28, len(out))
struct.pack_into("<H", out, 0x3C, len(heads))
open(to, "wb").write(out + b"".join(struct.pack(SECTION, *head) for head in heads))
PY
python3 convert.py .data fix.ko
env/bin/python -c 'import lief; lief.parse("fix.ko").write("copied.ko")'
env/bin/pip list --disable-pip-version-check 2> /dev/null | grep -i '^lief'

symbols() { # file, relocation section: prints the symbols of its relocations
    readelf -rW "$1" | awk -v name="'$2'" '
        /^Relocation section/ { inside = $3 == name }
        inside && /R_X86_64/ { print $5 }' | xargs
}
for name in .rela.data .klp.rela.vmlinux..data; do
    echo "expected: $name: $(symbols fix.ko $name)"
    echo "seen:     $name: $(symbols copied.ko $name)"
done
own=.klp.sym.vmlinux.saved_command_line,0
[ "$(symbols fix.ko .rela.data)" = .text ] && [ "$(symbols fix.ko .klp.rela.vmlinux..data)" = $own ] &&
    [ "$(symbols copied.ko .rela.data)" = .text ] && [ "$(symbols copied.ko .klp.rela.vmlinux..data)" = ".text $own" ] || { echo "the behaviour has changed"; exit 1; }
