#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  debhelper 13.24.2 of Debian (trixie).
# Expected: a package that ships a kernel module below /usr/lib/modules gets the same maintainer scripts
#           as one that ships it below /lib/modules: they run depmod. Since trixie, Debian asks for all
#           files to be shipped below /usr, and its kernels do so.
# Seen:     dh_installmodules looks below lib/modules alone, and ends with 0 and without a word for the
#           other. The same holds for a module that is compressed as .ko.zst.
# Hurts:    the user of such a package: modules.dep does not know the module, so modprobe finds an older
#           one or none, and at the next boot the patch or driver is missing.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# The mirror that this machine's own apt uses for Debian's main archive.
mirror=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian|//p' | head -n 1)
pool=${mirror%/}/pool/main/d/debhelper

while read -r file sum; do
    curl -fsS --retry 2 -o "$place/$file" "$pool/$file"
    echo "$sum  $place/$file" | sha256sum --quiet -c -
    dpkg-deb -W --showformat='${Package} ${Version}\n' "$place/$file"
    dpkg-deb -x "$place/$file" "$place"
done << 'PACKAGES'
debhelper_13.24.2_all.deb 04ba78ad4363df4f47cac2667dcca7a4bfe520625af5799ec1ede3cb6551f6fc
libdebhelper-perl_13.24.2_all.deb 1e1ab830223bcfe92ce61dd7e4d5a7db9cd439275a2c0ed7bf714a99813b8a7f
PACKAGES

mkdir -p "$place/source/debian"
cd "$place/source"
cat > debian/control << 'CONTROL'
Source: sample-module
Section: kernel
Priority: optional
Maintainer: A Maintainer <maintainer@example.org>
Build-Depends: debhelper-compat (= 13)

Package: sample-module
Architecture: all
Description: one module
 It is empty; only its path matters.
CONTROL
cat > debian/changelog << 'CHANGELOG'
sample-module (1) unstable; urgency=low

  * A module.

 -- A Maintainer <maintainer@example.org>  Mon, 01 Jan 2024 00:00:00 +0000
CHANGELOG

scripts() {  # path of a module in the package: prints how many maintainer scripts run depmod for it
    rm -rf debian/sample-module debian/*.debhelper debian/.debhelper
    mkdir -p "debian/sample-module/$(dirname "$1")"
    : > "debian/sample-module/$1"
    PERL5LIB=$place/usr/share/perl5 DH_AUTOSCRIPTDIR=$place/usr/share/debhelper/autoscripts \
        perl "$place/usr/bin/dh_installmodules"
    { grep -ls depmod debian/*.debhelper || true; } | wc -l
}

there=$(scripts lib/modules/6.12.0-1-amd64/updates/sample.ko)
moved=$(scripts usr/lib/modules/6.12.0-1-amd64/updates/sample.ko)
zstd=$(scripts lib/modules/6.12.0-1-amd64/updates/sample.ko.zst)
echo "expected: scripts that run depmod for each of lib/modules/…/sample.ko, usr/lib/modules/…/sample.ko, sample.ko.zst"
echo "seen:     $there, $moved, $zstd"
[ "$there $moved $zstd" = "2 0 0" ] || { echo "the behaviour has changed"; exit 1; }
