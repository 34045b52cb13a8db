#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  linux-binary and linux-modules 7.2.12-1~bpo13+1 of Debian (trixie-backports); zstandard and
#           pyelftools (PyPI) to reach the BTF in the kernel's image.
# Expected: the BTF of a module is split: it has the module's own types alone, and refers to the kernel's
#           BTF for all others. The veth.ko of 6.12 and of 7.3.4 has 7 structs, all its own.
# Seen:     each module of 7.2.12 that was looked at, every 25th of all, repeats hundreds of the kernel's
#           structs, sk_buff and net_device among them, with a type id of its own for each, although they
#           are the same up to the names, places and types of all members. veth.ko has 95 kB of BTF
#           instead of 3 kB. In 7.3.4 a few modules are still like that, such as mac802154.
# Hurts:    who takes a type for the module's own because it is in the module's BTF, or two types for
#           different because their ids are: an sk_buff of veth is then another type than the kernel's.
#           Types have to be compared by what they contain. Each loaded module takes more memory.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# The mirror that this machine's own apt uses for Debian's main archive.
mirror=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian|//p' | head -n 1)
pool=${mirror%/}/pool/main/l
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check zstandard==0.23.0 pyelftools==0.33

while read -r path sum; do
    file=$place/${path##*/}
    curl -fsS --retry 2 -o "$file" "$pool/$path"
    echo "$sum  $file" | sha256sum --quiet -c -
    dpkg-deb -W --showformat='${Package} ${Version}\n' "$file"
    # Three of the modules are enough.
    dpkg-deb --fsys-tarfile "$file" | tar -x -C "$place" --wildcards '*/vmlinuz' '*/veth.ko.xz' '*/nbd.ko.xz' '*/btrfs.ko.xz' 2> /dev/null || true
    rm "$file"
done << 'PACKAGES'
linux-signed-amd64/linux-binary-7.2.12+deb13-amd64_7.2.12-1~bpo13+1_amd64.deb 0d916c7f1310a7cb0567f235785d1c4511d894eb95e9810a2bc1f67e7ec18c2f
linux/linux-modules-7.2.12+deb13-amd64_7.2.12-1~bpo13+1_amd64.deb abd8aad34e82ae541ec596eafa9ac84bbcddf943c5de051d330516c3dff395d6
PACKAGES

cd "$place"
cat > repeated.py << 'PY'
"""Print for each module its named structs and unions, and how many the kernel's BTF has just so."""
import io
import lzma
import struct
from pathlib import Path

import zstandard
from elftools.elf.elffile import ELFFile

PTR, ARRAY, STRUCT, UNION, FWD, VOLATILE, CONST, RESTRICT, PROTO = 2, 3, 4, 5, 7, 9, 10, 11, 13
ONCE = {1: 4, ARRAY: 12, 14: 4, 17: 4}
EACH = {STRUCT: 12, UNION: 12, 6: 8, PROTO: 8, 15: 12, 19: 12}


class Btf:
    def __init__(self, elf, base=None):
        data = ELFFile(io.BytesIO(elf)).get_section_by_name(".BTF").data()
        self.size = len(data)
        _, _, _, header, types_at, types_length, names_at, names_length = struct.unpack_from("<HBBIIIII", data)
        names = data[header + names_at :][:names_length]
        self.names = base.names + names if base else names
        self.types = list(base.types) if base else [(0, "void", 0, ())]
        self.first = len(self.types)
        at, end = header + types_at, header + types_at + types_length
        while at < end:
            name, info, reference = struct.unpack_from("<III", data, at)
            kind, count = info >> 24 & 31, info & 0xFFFF
            width, number = (ONCE[kind], 1) if kind in ONCE else (EACH.get(kind, 0), count)
            parts = [struct.unpack_from(f"<{width // 4}I", data, at + 12 + width * n) for n in range(number) if width]
            self.types.append((kind, self.name(name), reference, parts))
            at += 12 + width * number

    def name(self, at):
        return self.names[at : self.names.index(b"\0", at)].decode()

    def says(self, number):
        """A type as text: a named one by its name, any other by its parts."""
        kind, name, reference, parts = self.types[number]
        if kind in (PTR, VOLATILE, CONST, RESTRICT):
            return f"{kind} {self.says(reference)}"
        if kind == ARRAY:
            return f"[{parts[0][2]}] {self.says(parts[0][0])}"
        if kind == PROTO:
            return f"({self.says(reference)}: {[self.says(part[1]) for part in parts]})"
        return f"{kind} {name}" if name or kind not in (STRUCT, UNION) else self.members(number)

    def members(self, number):
        kind, name, size, parts = self.types[number]
        return f"{kind} {name} {size} {[(self.name(part[0]), part[2], self.says(part[1])) for part in parts]}"

    def structs(self):
        return [self.members(n) for n in range(self.first, len(self.types)) if self.types[n][0] in (STRUCT, UNION) and self.types[n][1]]


image = next(Path("usr/lib/modules").glob("*/vmlinuz")).read_bytes()
start, length = struct.unpack_from("<II", image, 0x248)  # payload_offset and payload_length, boot.rst
payload = image[(image[0x1F1] + 1) * 512 + start :][:length]
kernel = Btf(zstandard.ZstdDecompressor().decompressobj().decompress(payload))
known = set(kernel.structs())
for path in sorted(Path("usr/lib/modules").rglob("*.ko.xz"), key=lambda path: path.name):
    module = Btf(lzma.decompress(path.read_bytes()), kernel)
    own = module.structs()
    print(path.name.removesuffix(".ko.xz"), module.size, len(own), sum(text in known for text in own))
PY
seen=$(env/bin/python repeated.py)
echo "expected: no struct that the kernel has just so is in a module's BTF"
echo "seen:     module, bytes of BTF, its structs, of these the kernel's:"
echo "$seen" | sed 's/^/          /'
[ "$seen" = $'btrfs 527484 1243 705\nnbd 94629 269 257\nveth 95660 272 265' ] || { echo "the behaviour has changed"; exit 1; }
