# SPDX-License-Identifier: MIT
"""The boot guard: detect that the machine crashed within a minute after an apply.

When a patch is live, lppack writes a file to the host's disk. A transient unit of systemd removes
the file after a minute, and on a regular shutdown. If a later boot finds the file, the machine
crashed after that apply. Without systemd there is no guard, but nothing is applied at boot either.
"""

import errno
import re

from lppack.errors import HostError
from lppack.hosts.protocol import Host
from lppack.hosts.put import put_bytes

#: Result in the history of an apply that was followed by such a crash.
CRASHED = "crashed"
WATCHED = "/var/lib/lppack/watched"
_RUNNING = "/run/systemd/system"  # exists if systemd runs: sd_booted(3)
_SECONDS = 60
_LIMIT = 5.0  # seconds for one request; the record of a completed apply waits for it
#: The id of a record of the journal.
RECORD = r"\d{8}T\d{6}\.\d{6}Z-\d+"


def watch(host: Host, record: str, boot: str) -> None:
    """Guard the successful apply of ``record`` for a minute, if systemd runs.

    Raise HostError if that fails.
    """
    if _entries(host, _RUNNING) is None:
        return
    file = f"{WATCHED}/{record}"
    watched = False
    try:
        # Write the file first: if the unit that removes it ran before, the file would stay.
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
    """Return the records that were followed by a crash; ``boot``: the current boot. Raise
    HostError."""
    # Other names: temporary files of a write that is under way, or was interrupted.
    names = [name for name in _entries(host, WATCHED) or () if re.fullmatch(RECORD, name)]
    return tuple(name for name in names if _boot(host, name) not in (None, boot))


def _boot(host: Host, record: str) -> str | None:
    """Return the boot in a record's file; None if systemd has removed the file since it was
    listed."""
    try:
        return host.read(f"{WATCHED}/{record}").strip()
    except HostError as error:
        if error.absent:
            return None
        raise


def _entries(host: Host, folder: str) -> tuple[str, ...] | None:
    """Return the names in a folder; None if the folder does not exist."""
    try:
        return host.list(folder)
    except HostError as error:
        if error.absent:
            return None
        raise
