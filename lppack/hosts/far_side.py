# SPDX-License-Identifier: MIT
"""What runs on the far side of ssh: a POSIX shell and a few programs, no Python.

Each request is one script, whose answer stands between two lines with a number that is drawn for
it: what a login script prints before, or what is cut, is no answer.
"""

import os
import shlex
from collections.abc import Sequence

PROGRAMS = (
    *("base64", "cat", "chmod", "dd", "flock", "head", "ls", "mkdir", "mv", "rm", "stat"),
    "timeout",
)
BOOT_ID = "/proc/sys/kernel/random/boot_id"

# run NUMBER SECONDS PROGRAM...: both streams are framed, as they come apart.
SETUP = f"""LC_ALL=C; export LC_ALL; PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
nl='
'
run() {{
n=$1 l=$2; shift 2
printf '\\n%s begin\\n' "$n"; printf '\\n%s begin\\n' "$n" >&2
timeout -k 1 "$l" "$@"
r=$?
read -r b < {BOOT_ID}
printf '\\n%s end %s %s\\n' "$n" "$r" "$b"; printf '\\n%s end\\n' "$n" >&2
}}
"""
#: Serves requests, a line each, until its input ends: quicker than a session for each.
_SERVE = f"""{SETUP}
while IFS= read -r line; do eval "$line" < /dev/null; done
"""
#: What the far side is: its user, its system, and which of the programs it lacks.
HELLO = f"""id -u; uname -s
for p in {" ".join(PROGRAMS)}; do command -v "$p" > /dev/null || printf '%s ' "$p"; done
"""
#: One write(2) of $2 to the file $1, which must be there. The output of printf is in one piece.
WRITE = """[ -e "$1" ] || exec ls -d -- "$1"
printf %s "$2" | dd of="$1" bs=65536
"""
#: The file $1 of $2 bytes and mode $3 from standard input, whole or not at all.
PUT = """umask 077
mkdir -p -- "${1%/*}" && dd of="$1.lppack-new" bs=65536 conv=fsync || exit
s=$(stat -c %s -- "$1.lppack-new")
[ "$s" = "$2" ] && chmod "$3" "$1.lppack-new" && mv -f -- "$1.lppack-new" "$1" && exit
rm -f -- "$1.lppack-new"
exit 1
"""
#: The same with the bytes in $4, in base64.
PUT_SMALL = f'printf %s "$4" | base64 -d | {{ {PUT}}}'
# Holds the lock $2 while a line comes each minute; $3 is the holder, but for the lock's process.
_HELD = """printf '%s%s}' "$3" "$PPID" > "$2"
printf '\\n%s begin\\n' "$1"
while l=$(timeout 60 head -n 1) && [ -n "$l" ]; do :; done
: > "$2"
"""
_HOLD = f"""{SETUP}
umask 077; mkdir -p -- "${{2%/*}}"
exec flock -n "$2" sh -c {shlex.quote(_HELD)} sh "$@"
"""
#: Keeps a connection open until this side closes it, or dies.
STAY = "exec cat > /dev/null"


def request(number: str, limit: float, argv: Sequence[str]) -> str:
    """Return a line of serve(): run ``argv`` for ``limit`` seconds at most."""
    return " ".join(["run", number, f"{max(limit, 0.1):.1f}", *map(_quoted, argv)])


def serve(*, sudo: bool) -> str:
    """Return the command line for ssh that serves requests, each of them a line."""
    return _line([_SERVE], sudo)


def once(request: str, *, sudo: bool) -> str:
    """Return the command line for ssh of one request, whose program reads from this side."""
    return _line([f"{SETUP}\n{request}"], sudo)


def hold(number: str, path: str, holder: str, *, sudo: bool) -> str:
    """Return the command line for ssh to hold the lock ``path``.

    ``holder`` is JSON, open at its end.
    """
    return _line([_HOLD, "sh", number, path, holder], sudo)


def _line(words: Sequence[str], sudo: bool) -> str:
    before = ["sudo", "-n", "--"] if sudo else []
    return "exec " + shlex.join([*before, "sh", "-c", *words])


def _quoted(word: str) -> str:
    return shlex.quote(word).replace("\n", "'\"$nl\"'")


#: What programs print of an error: the text of strerror(3), and what dash has instead.
_NUMBERS = {os.strerror(number): number for number in range(1, 134)} | {
    "Directory nonexistent": 2,
    "Resource busy": 16,
    "I/O error": 5,
}


def errno_of(said: str) -> int | None:
    """Return the number of the error that a program's last line ends with, or None."""
    for line in reversed(said.splitlines()):
        if number := _NUMBERS.get(line.rpartition(": ")[2].strip()):
            return number
    return None
