# SPDX-License-Identifier: MIT
"""What a command that died left on a host beside its patch: module files, the engine."""

from lppack import abi
from lppack.engines import modules
from lppack.hosts.protocol import Host
from lppack.proc import Say


def stray_files(host: Host) -> tuple[str, ...]:
    """Return the module files that were put there to be loaded."""
    return tuple(f"{modules.DROP}/{name}" for name in modules.names(host, modules.DROP))


def engine_is_idle(host: Host) -> bool:
    """Return True if lppack's engine is loaded, and no module needs it."""
    if not modules.is_loaded(host, abi.ENGINE):
        return False
    # kernel/module/procfs.c: NAME SIZE REFERENCES USERS STATE ADDRESS (v6.1).
    rows = (line.split() for line in (modules.text(host, abi.MODULE_LIST) or "").splitlines())
    return any(row[0] == abi.ENGINE and row[2] == "0" for row in rows if len(row) > 2)


def sweep(host: Host, say: Say) -> None:
    """Remove it; only for the command that holds the host's lock. Raise HostError."""
    if files := stray_files(host):
        host.run(["rm", "-f", *files], limit=modules.LIMIT)
        say(f"leftover: a command that died left {', '.join(files)}: removed")
    if engine_is_idle(host):
        done = host.run(["rmmod", abi.ENGINE], limit=modules.LIMIT)
        say(
            f"leftover: {abi.ENGINE}, which no patch needs: "
            + ("unloaded" if done.rc == 0 else f"not unloaded: {done.err.strip()}")
        )
