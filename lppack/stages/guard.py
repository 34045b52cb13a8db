# SPDX-License-Identifier: MIT
"""The boot guard: after which apply the machine crashed within a minute.

A file is on the disk of the host from the moment in which the patch is live. A transient unit of
systemd removes it after a minute, and when the machine goes down in order. One that another boot
finds was followed by a crash. Where systemd does not run, nothing is applied at boot either.
"""

from lppack.errors import HostError
from lppack.hosts.protocol import Host

#: How the history shows an apply that was followed by such a crash.
CRASHED = "crashed"
WATCHED = "/var/lib/lppack/watched"
_RUNNING = "/run/systemd/system"  # sd_booted(3): it is there, and often empty
_SECONDS = 60
_LIMIT = 30.0  # seconds for one request


def watch(host: Host, record: str) -> str | None:
    """Note for a minute that the apply of ``record`` has ended well, and return the file.

    Return None where systemd does not run, or does not take the unit. Raise HostError.
    """
    if _entries(host, _RUNNING) is None:
        return None
    file = f"{WATCHED}/{record}"
    argv = ["systemd-run", "--quiet", "--collect", f"--property=ExecStopPost=/bin/rm -f {file}"]
    argv += ["--description=A live patch that was just applied", "/bin/sleep", str(_SECONDS)]
    return file if host.run(argv, limit=_LIMIT).rc == 0 else None


def crashed(host: Host, boot: str) -> tuple[str, ...]:
    """Return the records that were followed by a crash; ``boot``: of now. Raise HostError."""
    names = _entries(host, WATCHED) or ()
    return tuple(name for name in names if host.read(f"{WATCHED}/{name}").strip() != boot)


def _entries(host: Host, folder: str) -> tuple[str, ...] | None:
    """Return None where there is no such folder; it may be empty."""
    try:
        return host.list(folder)
    except HostError as error:
        if error.absent:
            return None
        raise
