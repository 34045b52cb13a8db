#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  linux-headers 7.2.12 and 6.12.117 of Debian (each carries arch/x86/module.lds, the linker
#           script of every module); gcc and ld for the input.
# Expected: a variable or function that its author puts in a section of its own (`.data.mine`,
#           `.text.mine`, `.rodata.mine`) is in that section in the module, as it was for twenty years.
# Seen:     up to 6.12 it is. The script of 7.2 merges `.text.*`, `.data.*`, `.bss.*` and `.rodata.*`
#           into .text, .data, .bss and .rodata for every module; before, this was done for LTO alone.
#           A name with two dots (`.data..mine`) survives.
# Hurts:    tools that find their tables in a module by the section's name, as live patches do, and
#           relocation sections that are meant for one such section: they silently cover all of .data.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# The mirror that this machine's own apt uses for Debian's main archive.
mirror=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian|//p' | head -n 1)
pool=${mirror%/}/pool/main/l/linux

module_lds() {  # package file, SHA-256: prints where its linker script is
    curl -fsS --retry 2 -o "$place/$1" "$pool/$1"
    echo "$2  $place/$1" | sha256sum --quiet -c -
    dpkg-deb -x "$place/$1" "$place/${1%%_*}"
    find "$place/${1%%_*}" -path '*/arch/x86/module.lds'
}

old=$(module_lds linux-headers-6.12.117+deb13-amd64_6.12.117-1_amd64.deb e6b8a30d6c834fad8e5bd83d7bbe319279ed45f01d663926f886e353e004871a)
new=$(module_lds linux-headers-7.2.12+deb13-amd64_7.2.12-1~bpo13+1_amd64.deb f4a0369d09122cf77410d651d7a1ecba8a861970013d566aafd79cdb7d261dd8)

cd "$place"
cat > own.c <<'C'
__attribute__((section(".data.mine"), used)) static int one_dot[4] = { 1, 2, 3, 4 };
__attribute__((section(".data..mine"), used)) static int two_dots[4] = { 1, 2, 3, 4 };
__attribute__((section(".text.mine"), used)) static int code(void) { return 1; }
C
gcc -O2 -c own.c -o own.o
mine() { ld -r -T "$1" own.o -o "$2" && readelf -SW "$2" | grep -o '\.[a-z.]*\.mine ' | sort | xargs; }
before=$(mine "$old" old.o)
after=$(mine "$new" new.o)
ld --version | head -n 1
echo "6.12.117: $before"
echo "7.2.12:   $after"
echo "expected: the same three sections"
[ "$before" = ".data..mine .data.mine .text.mine" ] && [ "$after" = ".data..mine" ] || { echo "the behaviour has changed"; exit 1; }
