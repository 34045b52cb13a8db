#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  lib4vex 0.2.3 with lib4sbom 0.10.4 and packageurl-python 0.17.6 (PyPI).
# Expected: a statement of OpenVEX says one thing of one vulnerability and of all the products that it
#           lists. A reader gives all of them, as it gives all statements, or refuses the document.
# Seen:     VEXParser gives the last product of each statement alone, without an error: in
#           get_vulnerabilities() and in get_product(). With a statement for each product, all are there.
# Hurts:    who says of several kernels in one statement that they are not affected, or fixed: a scanner
#           that reads this with lib4vex reports the vulnerability for all kernels but one.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check lib4vex==0.2.3 lib4sbom==0.10.4 packageurl-python==0.17.6
cd "$place"
cat > read.py << 'PY'
import json

from lib4vex.parser import VEXParser

KERNELS = [{"@id": f"pkg:deb/debian/{name}@6.1.192-2"} for name in ("linux", "linux-rt", "linux-cloud")]


def read(name, *lists):
    """Write a document with one statement for each list of products; print what lib4vex reads of it."""
    when = "2026-01-01T00:00:00Z"
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.org/vex-1",
        "author": "An author",
        "role": "Vendor",
        "timestamp": when,
        "version": 1,
        "statements": [
            {
                "vulnerability": {"name": "CVE-2024-0001"},
                "timestamp": when,
                "products": products,
                "status": "not_affected",
                "justification": "vulnerable_code_not_present",
            }
            for products in lists
        ],
    }
    with open(name, "w") as file:
        json.dump(document, file)
    parser = VEXParser("openvex")
    parser.parse(name)
    found = [entry["purl"] for entry in parser.get_vulnerabilities()]
    print(len(found), len(parser.get_product()), *found)


read("one-by-one.json", *([kernel] for kernel in KERNELS))
read("together.json", KERNELS)
PY
env/bin/pip list --disable-pip-version-check 2> /dev/null | grep -E '^(lib4vex|lib4sbom) '
{ read -r one; read -r together; } < <(env/bin/python read.py)
echo "three statements: $one"
echo "expected: the same three of one statement with three products"
echo "seen:     $together"
[ "${one:0:3}" = "3 3" ] && [ "$together" = "1 1 pkg:deb/debian/linux-cloud@6.1.192-2" ] || { echo "the behaviour has changed"; exit 1; }
