#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  gcc-14 14.2.0-19 of Debian 13 (needs mmdebstrap, and root or user namespaces).
# Expected: with -fno-align-loops or -falign-loops=1, "loops should not be aligned" (GCC manual), so
#           that the code of a function does not depend on where it comes to lie.
# Seen:     a short loop is aligned to 32 or 64 bytes all the same, without a limit to the padding.
#           gcc-12 of Debian 12 does not.
# Hurts:    who compares object code. Linux is compiled with -falign-loops=1; the same function has
#           another size, other padding and jumps of other lengths in vmlinux than alone in a section
#           (-ffunction-sections). Of Debian 13's kernel that is one function in a hundred.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mmdebstrap --quiet --variant=apt --include=gcc-14=14.2.0-19 trixie "$place/root.tar"
mkdir "$place/root"
tar -xf "$place/root.tar" -C "$place/root" --exclude='./dev/*'
cat > "$place/root/loop.c" <<'C'
struct part {
	unsigned short count, first;
};

int which(const struct part *parts, unsigned int number)
{
	int at;

	for (at = 0; at < 16; at++)
		if (number - parts[at].first < parts[at].count)
			return at;
	return -1;
}
C
inside() { # alignments behind the first instruction of the function
	chroot "$place/root" gcc-14 -O2 "$@" -S -o - /loop.c | sed '1,/^which:/d' | grep -c p2align || true
}
chroot "$place/root" gcc-14 --version | head -1
off=$(inside -fno-align-loops)
one=$(inside -falign-loops=1)
size=$(inside -Os)
echo "expected: 0 alignments in the function with -fno-align-loops, as with -Os ($size)"
echo "seen:     $off with -fno-align-loops, $one with -falign-loops=1"
[ "$off $one $size" = "1 1 0" ] || { echo "the behaviour has changed"; exit 1; }
