#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  binutils 2.44-3 of Debian (trixie), with the libraries that it needs; gcc for the input.
# Expected: objcopy without options, and `strip -g`, keep a livepatch module a livepatch module: its
#           section .klp.rela.OBJECT.SECTION, with the flags A, I and o, as the kernel's page
#           Documentation/livepatch/module-elf-format.rst has it, and in it the symbol. An unknown section
#           is copied as it is, and both end with 0 and without a word.
# Seen:     if the target section has no other relocations, the section becomes an ordinary one: it is
#           named .rela.SECTION, its flags A and o are lost, and each relocation refers to symbol 0
#           instead of its livepatch symbol. If the target has ordinary relocations too, section and
#           symbol are kept.
# Hurts:    who strips livepatch modules after they are complete, as dkms does by default: no tool
#           objects, and the pointer that the kernel should fill in stays 0. One module is harmed, and
#           the next one is not.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# The mirror that this machine's own apt uses for Debian's main archive.
mirror=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian|//p' | head -n 1)
pool=${mirror%/}/pool/main

while read -r path sum; do
    file=$place/${path##*/}
    curl -fsS --retry 2 -o "$file" "$pool/$path"
    echo "$sum  $file" | sha256sum --quiet -c -
    dpkg-deb -x "$file" "$place"
done << 'PACKAGES'
b/binutils/binutils-x86-64-linux-gnu_2.44-3_amd64.deb e6741ce95ff0f7a131c8d9faa3528ccbbc453078bbc62a97da81340ed7462c53
b/binutils/libbinutils_2.44-3_amd64.deb 4f4664c8a8f0ad0c8631c39fab02e3d8d86ccc6f4436a1d59f059dbcb0492679
b/binutils/libsframe1_2.44-3_amd64.deb 38f625dfdc582717029ac3a3e97c51d994ec2e7a0e9b230c6b44e40d1276311f
j/jansson/libjansson4_2.14-2+b3_amd64.deb 60707a62fe6c1228c3389b12a13ca4efd76defc5532473e547a29e99cf7d2a6e
g/glibc/libc6_2.41-12+deb13u5_amd64.deb b59b0625cd1a791375d40dab23a4d5d3d0641e3d0a773501becdc3725b7f99cf
z/zlib/zlib1g_1.3.dfsg+really1.3.1-1+deb13u1_amd64.deb 8c27c342230503b73dfde629642c3b352e87b554e06d60cf58772f236a305ceb
libz/libzstd/libzstd1_1.5.7+dfsg-1_amd64.deb 2f6a2aeacfc925eba8b00ac9139bc4bfccf8cacb09eb93de067074b26948eef9
PACKAGES

cd "$place"
tool() { # name, arguments: runs the program of the package
    usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 --library-path usr/lib/x86_64-linux-gnu "usr/bin/x86_64-linux-gnu-$1" "${@:2}"
}
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
python3 convert.py .data.slots alone.ko
python3 convert.py .data both.ko

relocation() { # file, end of a section's name: prints the relocation section of that name, and its symbol
    tool readelf -rW "$1" | awk -v end="$2'" '
        /^Relocation section/ { inside = index($3, end) > 0; name = $3 }
        inside && /R_X86_64_64/ { print name, $5 ? $5 : "symbol 0" }'
}
tool strip --version | head -n 1
seen=
for file in "alone .data.slots" "both vmlinux..data"; do
    read -r name end <<< "$file"
    tool objcopy "$name.ko" "$name.copied"
    tool strip -g -o "$name.stripped" "$name.ko"
    echo "before:   $(relocation "$name.ko" "$end")"
    for way in copied stripped; do
        echo "$way: $(relocation "$name.$way" "$end")" | sed 's/^copied:/&  /'
        seen+="$(relocation "$name.$way" "$end");"
    done
done
echo "expected: the same section and symbol as before, in all four"
kept="'.klp.rela.vmlinux..data' .klp.sym.vmlinux.saved_command_line,0;"
lost="'.rela.data.slots' symbol 0;"
[ "$seen" = "$lost$lost$kept$kept" ] || { echo "the behaviour has changed"; exit 1; }
