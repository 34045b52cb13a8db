# SPDX-License-Identifier: MIT
"""Scripts that run on the far side of ssh: a POSIX shell and a few programs, no Python.

Each request is one script. Its answer is between two lines with a random number, so that output of
a login script, or a truncated answer, is not taken for an answer.
"""

import os
import shlex
from collections.abc import Sequence

PROGRAMS = (
    *("base64", "cat", "chmod", "dd", "flock", "head", "ls", "mkdir", "mv", "rm", "stat"),
    "timeout",
)
BOOT_ID = "/proc/sys/kernel/random/boot_id"

# run NUMBER SECONDS PROGRAM...: frames both streams, which arrive separately.
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
#: Serves requests, one per line, until its input ends: faster than a session for each request.
_SERVE = f"""{SETUP}
while IFS= read -r line; do eval "$line" < /dev/null; done
"""
#: Describes the far side: its user, its system, and the programs that it lacks.
HELLO = f"""id -u; uname -s
for p in {" ".join(PROGRAMS)}; do command -v "$p" > /dev/null || printf '%s ' "$p"; done
"""
#: Writes $2 with one write(2) to the file $1, which must exist: printf writes its output at once.
WRITE = """[ -e "$1" ] || exec ls -d -- "$1"
printf %s "$2" | dd of="$1" bs=65536
"""
#: Writes the file $1 of $2 bytes and mode $3 from standard input, atomically.
PUT = """umask 077
mkdir -p -- "${1%/*}" && dd of="$1.lppack-new" bs=65536 conv=fsync || exit
s=$(stat -c %s -- "$1.lppack-new")
[ "$s" = "$2" ] && chmod "$3" "$1.lppack-new" && mv -f -- "$1.lppack-new" "$1" && exit
rm -f -- "$1.lppack-new"
exit 1
"""
#: The same, with the bytes in $4, in base64.
PUT_SMALL = f'printf %s "$4" | base64 -d | {{ {PUT}}}'
# Holds the lock $2 while a line arrives each minute; $3 describes the holder, without the lock's
# pid.
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
    """Return a request line for serve(): run ``argv`` for at most ``limit`` seconds."""
    return " ".join(["run", number, f"{max(limit, 0.1):.1f}", *map(_quoted, argv)])


def serve(*, sudo: bool) -> str:
    """Return the command line for ssh that serves requests, one per line."""
    return _line([_SERVE], sudo)


def once(request: str, *, sudo: bool) -> str:
    """Return the command line for ssh of one request whose program reads standard input."""
    return _line([f"{SETUP}\n{request}"], sudo)


def hold(number: str, path: str, holder: str, *, sudo: bool) -> str:
    """Return the command line for ssh to hold the lock ``path``.

    ``holder`` is JSON without its last brace.
    """
    return _line([_HOLD, "sh", number, path, holder], sudo)


def _line(words: Sequence[str], sudo: bool) -> str:
    before = ["sudo", "-n", "--"] if sudo else []
    return "exec " + shlex.join([*before, "sh", "-c", *words])


def _quoted(word: str) -> str:
    return shlex.quote(word).replace("\n", "'\"$nl\"'")


#: Texts of errors: those of strerror(3), and those that dash prints instead.
_NUMBERS = {os.strerror(number): number for number in range(1, 134)} | {
    "Directory nonexistent": 2,
    "Resource busy": 16,
    "I/O error": 5,
}


def errno_of(said: str) -> int | None:
    """Return the errno for the error text at the end of a program's last line, or None."""
    for line in reversed(said.splitlines()):
        if number := _NUMBERS.get(line.rpartition(": ")[2].strip()):
            return number
    return None
