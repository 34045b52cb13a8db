#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  linux-binary and linux-source 7.2.12-1~bpo13+1 of Debian (trixie-backports); zstandard and
#           pyelftools (PyPI) to reach the BTF in the kernel's image.
# Expected: the prototype that the kernel's BTF gives for a function is the one of its C code, as it is
#           for the other 55,000 functions.
# Seen:     the build (resolve_btfids) rewrites BTF for kfuncs that take an implicit argument: the
#           function's own name gets a prototype without it, and a second name, NAME_impl, which no
#           source has, gets the true one. scx_bpf_cpu_curr() takes two arguments in C; by BTF it
#           takes one.
# Hurts:    who replaces, traces or calls such a function by what BTF says: the last argument is lost,
#           and a check of prototypes refuses the right replacement and lets the wrong one pass.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# The mirror that this machine's own apt uses for Debian's main archive.
mirror=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian|//p' | head -n 1)
pool=${mirror%/}/pool/main/l
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check zstandard==0.23.0 pyelftools==0.31

while read -r path sum; do
    file=$place/${path##*/}
    curl -fsS --retry 2 -o "$file" "$pool/$path"
    echo "$sum  $file" | sha256sum --quiet -c -
    dpkg-deb -W --showformat='${Package} ${Version}\n' "$file"
    dpkg-deb -x "$file" "$place"
    rm "$file"
done << 'PACKAGES'
linux-signed-amd64/linux-binary-7.2.12+deb13-amd64_7.2.12-1~bpo13+1_amd64.deb 0d916c7f1310a7cb0567f235785d1c4511d894eb95e9810a2bc1f67e7ec18c2f
linux/linux-source-7.2_7.2.12-1~bpo13+1_all.deb 73ca6c22599ba411ab3179642d33501ca2c90174e13c3c8d86e996ea1cbf2a8f
PACKAGES

cd "$place"
tar -xJf usr/src/linux-source-7.2.tar.xz linux-source-7.2/kernel/sched/ext/ext.c
cat > prototypes.py << 'PY'
"""Print how many arguments BTF and C give scx_bpf_cpu_curr(), and how many such functions there are."""
import io
import re
import struct
from pathlib import Path

import zstandard
from elftools.elf.elffile import ELFFile

image = next(Path("usr/lib/modules").glob("*/vmlinuz")).read_bytes()
start, length = struct.unpack_from("<II", image, 0x248)  # payload_offset and payload_length, boot.rst
payload = image[(image[0x1F1] + 1) * 512 + start :][:length]
kernel = zstandard.ZstdDecompressor().decompressobj().decompress(payload)
btf = ELFFile(io.BytesIO(kernel)).get_section_by_name(".BTF").data()

_, _, _, header, types_at, types_length, names_at, _ = struct.unpack_from("<HBBIIIII", btf)
INT, ARRAY, STRUCT, UNION, ENUM, FUNC, PROTO, VAR, DATASEC, DECL_TAG, ENUM64 = 1, 3, 4, 5, 6, 12, 13, 14, 15, 17, 19
ONCE = {INT: 4, ARRAY: 12, VAR: 4, DECL_TAG: 4}
EACH = {STRUCT: 12, UNION: 12, ENUM: 8, PROTO: 8, DATASEC: 12, ENUM64: 12}
seen = [(0, "", 0, 0)]
at, end = header + types_at, header + types_at + types_length
while at < end:
    name, info, reference = struct.unpack_from("<III", btf, at)
    kind, count = info >> 24 & 31, info & 0xFFFF
    text = header + names_at + name
    seen.append((kind, btf[text : btf.index(b"\0", text)].decode(), count, reference))
    at += 12 + ONCE.get(kind, 0) + EACH.get(kind, 0) * count
arguments = {name: seen[proto][2] for kind, name, _, proto in seen if kind == FUNC}
hidden = [name for name in arguments if arguments.get(f"{name}_impl", 0) > arguments[name]]
code = Path("linux-source-7.2/kernel/sched/ext/ext.c").read_text()
parameters = re.search(r"\*scx_bpf_cpu_curr\(([^)]*)\)", code)[1].split(",")
print(arguments["scx_bpf_cpu_curr"], arguments["scx_bpf_cpu_curr_impl"], len(parameters), code.count("scx_bpf_cpu_curr_impl"), len(hidden))
PY
read -r btf impl source named hidden < <(env/bin/python prototypes.py)
echo "expected: BTF gives scx_bpf_cpu_curr() the $source arguments of its source"
echo "seen:     $btf; a second name, scx_bpf_cpu_curr_impl, which the source has $named times, has $impl; $hidden functions are like that"
[ "$btf $impl $source $named" = "1 2 2 0" ] || { echo "the behaviour has changed"; exit 1; }
