#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  gcc-14 14.2.0-19 of Debian 13 (needs mmdebstrap, and root or user namespaces).
# Expected: -ffile-prefix-map=OLD=NEW, which is -fmacro-prefix-map, -fdebug-prefix-map and
#           -fprofile-prefix-map in one, leaves no trace of OLD in an object file.
# Seen:     what -fsanitize=bounds and -fsanitize=shift record of a place in the source, for the
#           report at run time, has the name of the file as the compiler was given it. None of the
#           four options changes it, and there is no option that does.
# Hurts:    reproducible builds outside of one fixed folder. Debian's Linux 7.2 has
#           CONFIG_UBSAN_BOUNDS=y, and modules for it are compiled with the same options: an inline
#           function of a header puts the folder of the headers into each module. Kbuild maps
#           __FILE__ (-fmacro-prefix-map) and not this.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mmdebstrap --quiet --variant=apt --include=gcc-14=14.2.0-19 trixie "$place/root.tar"
mkdir "$place/root"
tar -xf "$place/root.tar" -C "$place/root" --exclude='./dev/*'
mkdir -p "$place/root/one/place"
cat > "$place/root/one/place/file.c" <<'C'
int table[4];

int at(int index)
{
	return table[index];
}

const char *name(void)
{
	return __FILE__;
}
C
chroot "$place/root" gcc-14 --version | head -1
chroot "$place/root" gcc-14 -O2 -g -fsanitize=bounds -ffile-prefix-map=/one/place=. \
	-c /one/place/file.c -o /file.o
has() { grep -aq "$1" "$place/root/file.o" && echo yes || echo no; }
found=$(has '/one/place/file\.c')
mapped=$(has '\./file\.c')
chroot "$place/root" gcc-14 -O2 -g -ffile-prefix-map=/one/place=. -c /one/place/file.c -o /file.o
without=$(has '/one/place/file\.c')
echo "expected: /one/place/file.c in the object: no; without -fsanitize: $without"
echo "seen:     with -fsanitize=bounds: $found, though __FILE__ is mapped: $mapped"
[ "$found $mapped $without" = "yes yes no" ] || { echo "the behaviour has changed"; exit 1; }
