# SPDX-License-Identifier: MIT
"""The boot guard: after which apply the machine crashed within a minute.

A file is on the disk of the host from the moment in which the patch is live. A transient unit of
systemd removes it after a minute, and when the machine goes down in order. One that another boot
finds was followed by a crash. Where systemd does not run, nothing is applied at boot either.
"""

import errno
import re

from lppack.errors import HostError
from lppack.hosts.protocol import Host
from lppack.hosts.put import put_bytes

#: How the history shows an apply that was followed by such a crash.
CRASHED = "crashed"
WATCHED = "/var/lib/lppack/watched"
_RUNNING = "/run/systemd/system"  # sd_booted(3): it is there, and often empty
_SECONDS = 60
_LIMIT = 5.0  # seconds for one request: the record of an apply that is done waits for it
#: The id of a record of the journal.
RECORD = r"\d{8}T\d{6}\.\d{6}Z-\d+"


def watch(host: Host, record: str, boot: str) -> None:
    """Note for a minute that the apply of ``record`` has ended well, where systemd runs.

    Raise HostError: nothing is noted.
    """
    if _entries(host, _RUNNING) is None:
        return
    file = f"{WATCHED}/{record}"
    watched = False
    try:
        # The file is first: one that came after its remover would stay.
        put_bytes(host, file, f"{boot}\n".encode())
        _remove_in_a_minute(host, file)
        watched = True
    finally:
        if not watched:  # also at Ctrl-C
            host.run(["rm", "-f", file], limit=_LIMIT)


def _remove_in_a_minute(host: Host, file: str) -> None:
    argv = ["systemd-run", "--quiet", "--collect", "--no-block"]
    argv += [f"--property=ExecStopPost=/bin/rm -f {file}"]
    argv += ["--description=A live patch that was just applied", "/bin/sleep", str(_SECONDS)]
    ran = host.run(argv, limit=_LIMIT)
    if ran.rc != 0:
        why = f"no answer in {_LIMIT:.0f} s" if ran.timed_out else ran.err.strip()
        raise HostError(file, errno.EIO, f"systemd-run: {why or f'exit code {ran.rc}'}")


def crashed(host: Host, boot: str) -> tuple[str, ...]:
    """Return the records that were followed by a crash; ``boot``: of now. Raise HostError."""
    # Others: of a put that is under way, or was cut off.
    names = [name for name in _entries(host, WATCHED) or () if re.fullmatch(RECORD, name)]
    return tuple(name for name in names if _boot(host, name) not in (None, boot))


def _boot(host: Host, record: str) -> str | None:
    """Return None where systemd has removed the file since it was listed."""
    try:
        return host.read(f"{WATCHED}/{record}").strip()
    except HostError as error:
        if error.absent:
            return None
        raise


def _entries(host: Host, folder: str) -> tuple[str, ...] | None:
    """Return None where there is no such folder; it may be empty."""
    try:
        return host.list(folder)
    except HostError as error:
        if error.absent:
            return None
        raise
