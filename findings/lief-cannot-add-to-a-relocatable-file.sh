#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Package:  lief 1.0.0 (PyPI); gcc for the input.
# Expected: Binary.add(section, loaded=False) on a relocatable file, as gcc writes it, gives a section
#           more, as `objcopy --add-section` does; LIEF documents both for ELF, and reads and writes
#           the same file without loss where nothing is added.
# Seen:     add() returns the new section, and write() then raises IndexError (unordered_map::at).
#           Nothing is written.
# Hurts:    who adds sections to kernel modules, which are relocatable files: notes, signatures of
#           their own, livepatch relocations. What add() returned looks like a success.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check lief==1.0.0
cd "$place"
cat > two.c <<'C'
extern int other(int);

int first(int x)
{
	return other(x) + 1;
}

int second(int x)
{
	return first(x) + other(2);
}
C
gcc -O2 -c -ffunction-sections two.c -o two.o
objcopy --add-section .note.mine=two.c two.o with-objcopy.o
cat > add.py <<'PY'
import lief

same = lief.parse("two.o")
same.write("same.o")
more = lief.parse("two.o")
section = lief.ELF.Section(".note.mine", lief.ELF.Section.TYPE.NOTE)
section.content = list(b"mine")
print(type(more.add(section, loaded=False)).__name__, end=" ")
try:
    more.write("more.o")
except IndexError as error:
    print(f"IndexError: {error}")
else:
    print("written")
PY
seen=$(env/bin/python add.py 2> /dev/null)
sections() { readelf -SW "$1" | grep -c '^  \['; }
env/bin/pip list --disable-pip-version-check 2> /dev/null | grep -i '^lief'
echo "expected: a file with one section more, as objcopy's ($(sections with-objcopy.o) for $(sections two.o))"
echo "seen:     $seen; unchanged it is written with $(sections same.o)"
[ "$seen" = "Section IndexError: unordered_map::at" ] || { echo "the behaviour has changed"; exit 1; }
