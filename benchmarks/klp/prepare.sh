#!/bin/sh
# SPDX-License-Identifier: MIT
# Unpack the newest linux-source of the image into ./tree, take the fixes in ./fixes back, configure.
set -e
mkdir tree
tar -xJf "$1" -C tree --strip-components=1
cd tree
for fix in ../fixes/*.patch; do
	patch -R -p1 --no-backup-if-mismatch <"$fix"
done
KCONFIG_ALLCONFIG=../config make -s allnoconfig
if grep -v '^#' ../config | grep -vxFf .config; then
	echo "these options do not go together with the others" >&2
	exit 1
fi
