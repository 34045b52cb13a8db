#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  in-toto-attestation 0.9.3 with protobuf 6.33.1 (PyPI).
# Expected: a predicate is JSON of its author's; integers that json.dumps() writes exactly are in the
#           statement as they were, or are refused. Statement.validate() says nothing against them.
# Seen:     a predicate is a google.protobuf.Struct, whose numbers are doubles: an address of the
#           kernel's text loses its last 11 bits, in silence, and is printed as 1.8446744071578845e+19.
# Hurts:    who attests to what was built for a kernel: symbols, their addresses, sizes above 2**53.
#           Two functions of one page get one address. Strings are the way out.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check in-toto-attestation==0.9.3 protobuf==6.33.1
cat > "$place/attest.py" <<'PY'
import json

from google.protobuf import json_format
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

address = 0xFFFFFFFF81000123  # of the kernel's text
of = ResourceDescriptor(name="fix.ko", digest={"sha256": "0" * 64})
statement = Statement([of.pb], "https://example.org/predicate/v1", {"address": address})
statement.validate()
kept = json.loads(json_format.MessageToJson(statement.pb))["predicate"]["address"]
print(f"{address:#x} {int(kept):#x}")
PY
"$place/env/bin/pip" list --disable-pip-version-check 2> /dev/null | grep -E '^(in-toto-attestation|protobuf) '
read -r given kept < <("$place/env/bin/python" "$place/attest.py")
echo "expected: $given, or an error"
echo "seen:     $kept"
[ "$kept" = 0xffffffff81000000 ] || { echo "the behaviour has changed"; exit 1; }
