#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  linux-headers and linux-kbuild 7.2.12-1~bpo13+1 of Debian (trixie-backports); libc6 of
#           trixie to run its objtool on an older machine.
# Expected: a kernel whose configuration says CONFIG_KLP_BUILD=y comes with build tools that can do
#           what klp-build needs: `objtool klp diff`, and scripts/livepatch/klp-build itself.
# Seen:     objtool was built without xxhash: each `objtool klp` command only prints that it is not
#           implemented, and no package has scripts/livepatch.
# Hurts:    who looks at the configuration to decide whether klp-build can be used; a live patch that is
#           to be built from packages ends after the preparations.
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
    dpkg-deb -W --showformat='${Package} ${Version}\n' "$file"
    dpkg-deb -x "$file" "$place"
done << 'PACKAGES'
l/linux/linux-headers-7.2.12+deb13-amd64_7.2.12-1~bpo13+1_amd64.deb f4a0369d09122cf77410d651d7a1ecba8a861970013d566aafd79cdb7d261dd8
l/linux/linux-headers-7.2.12+deb13-common_7.2.12-1~bpo13+1_all.deb 8456354805802dd3f44839693e5eb966fc75ac1ef5af4a7ffb0b368245580ce5
l/linux/linux-kbuild-7.2.12+deb13_7.2.12-1~bpo13+1_amd64.deb 7b8867533c2fb100dacded82c2d2b4fc548841980f691b807d2d0b7d418f7356
g/glibc/libc6_2.41-12+deb13u5_amd64.deb b59b0625cd1a791375d40dab23a4d5d3d0641e3d0a773501becdc3725b7f99cf
PACKAGES

config=$(grep -h '^CONFIG_KLP_BUILD=' "$place"/usr/src/linux-headers-*-amd64/.config || true)
objtool=$(find "$place" -name objtool.real-x86)
libc=$place/usr/lib/x86_64-linux-gnu
said=$("$libc/ld-linux-x86-64.so.2" --library-path "$libc" "$objtool" klp diff a b c 2>&1 | tail -n 1 || true)
scripts=$(find "$place" -name klp-build | wc -l)
echo "configuration: ${config:-no CONFIG_KLP_BUILD}"
echo "expected: an objtool that compares objects, and scripts/livepatch/klp-build"
echo "seen:     $said; $scripts files named klp-build"
[ "$config" = CONFIG_KLP_BUILD=y ] && [[ $said == *"not implemented"* ]] && [ "$scripts" = 0 ] || { echo "the behaviour has changed"; exit 1; }
