#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  kmod 34.2-2 of Debian (trixie), with the libraries that it needs; openssl and gcc for the
#           input. kmod 30 of Debian 12 does the same.
# Expected: modinfo prints sig_id, signer, sig_key and signature of each signed module. A CMS signature
#           names its signer by issuer and serial number, or by the identifier of the key. The kernel
#           takes both (crypto/asymmetric_keys/pkcs7_parser.c), and its scripts/sign-file writes either.
# Seen:     if the signature names the key, modinfo prints no field of the signature at all, ends with 0,
#           and says nothing: the module looks like an unsigned one.
# Hurts:    who checks with modinfo whether modules are signed before a host refuses unsigned ones, or
#           by which key: a signed module is signed again, or left out.
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
k/kmod/kmod_34.2-2_amd64.deb d56f9311beb17cd15447d11d91fd4de94d23a47d4619e8806b1b807b40c72e53
k/kmod/libkmod2_34.2-2_amd64.deb ee6c50ebac79aa9795e8bf9aa01d94c99984d09d22598c66be0f8ba917b62179
o/openssl/libssl3t64_3.5.9-1~deb13u1_amd64.deb ffefb9af363e0e4592251b2533eb06453c8e470f7772e40263c4b2129251a6d5
x/xz-utils/liblzma5_5.8.1-1+deb13u2_amd64.deb b38acab30f295bf1066a6632e31cbd0a1980f2924b38040cda131d5dea5384ec
libz/libzstd/libzstd1_1.5.7+dfsg-1_amd64.deb 2f6a2aeacfc925eba8b00ac9139bc4bfccf8cacb09eb93de067074b26948eef9
z/zlib/zlib1g_1.3.dfsg+really1.3.1-1+deb13u1_amd64.deb 8c27c342230503b73dfde629642c3b352e87b554e06d60cf58772f236a305ceb
g/glibc/libc6_2.41-12+deb13u5_amd64.deb b59b0625cd1a791375d40dab23a4d5d3d0641e3d0a773501becdc3725b7f99cf
PACKAGES

cd "$place"
modinfo() { usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 --library-path usr/lib/x86_64-linux-gnu --argv0 modinfo usr/bin/kmod "$@"; }
echo '__attribute__((section(".modinfo"), used)) static const char license[] = "license=GPL";' > one.c
gcc -c one.c -o one.ko
openssl req -new -x509 -newkey rsa:2048 -nodes -days 100 -subj "/CN=A signer/" -keyout key.pem -out cert.pem 2> /dev/null

sign() { # name, option: writes name.ko, signed as scripts/sign-file of the kernel signs
    openssl cms -sign -binary -noattr -nocerts -nosmimecap -md sha256 -outform DER "${@:2}" \
        -signer cert.pem -inkey key.pem -in one.ko -out one.p7s
    # struct module_signature (include/linux/module_signature.h): id_type is PKEY_ID_PKCS7.
    length=$(printf '%08x' "$(stat -c %s one.p7s)" | sed 's/../\\x&/g')
    { cat one.ko one.p7s; printf '\0\0\x02\0\0\0\0\0%b' "$length"; printf '~Module signature appended~\n'; } > "$1.ko"
}
sign by-issuer
sign by-key -keyid
for name in by-issuer by-key; do  # the signature is valid, by the certificate and this module
    size=$(stat -c %s one.ko)
    tail -c +$((size + 1)) "$name.ko" | head -c -40 > "$name.p7s"
    openssl cms -verify -binary -inform DER -in "$name.p7s" -content one.ko -certfile cert.pem -noverify -out /dev/null 2> "$name.said"
    echo "$name: $(cat "$name.said")"
done
modinfo --version | head -n 1
fields() { modinfo "$1.ko" | grep -oE '^(sig[a-z_]*|signer)' | xargs; }
echo "expected: for both: $(fields by-issuer)"
echo "seen:     by issuer: $(fields by-issuer)"
echo "seen:     by key:    $(fields by-key)"
[ "$(fields by-issuer)" = "sig_id signer sig_key sig_hashalgo signature" ] && [ -z "$(fields by-key)" ] || { echo "the behaviour has changed"; exit 1; }
