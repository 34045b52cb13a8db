# SPDX-License-Identifier: MIT
"""Common parts of both engines: load and unload modules, and read their parameters."""

import contextlib
import errno
import os
import re
from pathlib import Path

from lppack import abi
from lppack.engines.protocol import Blocker
from lppack.errors import ApplyRefused, ApplyStuck, HostError
from lppack.hosts.protocol import Host, Ran
from lppack.hosts.put import put_bytes
from lppack.model.patch_info import PatchInfo

#: Reason of a refusal: another command has loaded the module.
LOADED_MEANWHILE = "loaded-meanwhile"
LIMIT = 30.0  # seconds for one command on the host
# The kernel searches each symbol in the whole table before hooks begin: minutes on a busy machine.
_INSERT = 600.0
#: Folder for module files while they are loaded.
DROP = "/run/lppack/load"
#: The note that a transition was forced: ID of the boot in which that was seen.
FORCED = "/var/lib/lppack/forced"
_NOT_EXECUTABLE, _NO_PROGRAM = 126, 127  # as in a shell
_EXISTS = os.strerror(errno.EEXIST)  # as insmod of kmod and of busybox print it
_KILLED = 128  # and above: killed by a signal, as in a shell


def insert(host: Host, module: str, ko: Path) -> None:
    """Load a module.

    Raise ApplyRefused with the kernel's message, unless the module is loaded nevertheless. Raise
    ApplyStuck if insmod was killed, because the kernel continues loading, or if insmod succeeded
    but no module of that name is loaded.
    """
    path = f"{DROP}/{module}.ko"
    try:
        host.put(ko, path, mode=0o600)
    except HostError as error:
        raise ApplyRefused(
            f"{host.name} cannot take the module file, and nothing was loaded: {error.message}",
            hint=f"check the file system of {DROP} on the host: df {DROP}; mount",
            reason="file-not-taken",
        ) from None
    began = _uptime(host)
    try:
        done = _insmod(host, path)
    finally:
        with contextlib.suppress(HostError):  # a file that stays is overwritten the next time
            host.run(["rm", "-f", path], limit=LIMIT)
    said = (done.err or done.out).strip().splitlines()
    loaded = is_loaded(host, module)
    # A killed insmod may have loaded it. If insmod was refused, another command has loaded it.
    refused = 0 < done.rc < _KILLED and not done.timed_out
    if refused and (loaded or _EXISTS in "".join(said[-1:])):
        raise ApplyRefused(
            f"{module} was loaded on {host.name} by another command at this moment",
            hint=f"see what becomes of it: lppack status --on {host.name}",
            reason=LOADED_MEANWHILE,
        )
    if loaded:
        return
    if done.rc == 0:
        raise ApplyStuck(
            f"insmod of {module} succeeded, and {host.name} has no module of that name: the file "
            "holds another module, or another command has unloaded it",
            hint=f"see what is live: lppack status --on {host.name}",
        )
    if done.timed_out:
        raise ApplyStuck(
            f"insmod of {module} did not end in {_INSERT:.0f} s, and the kernel may still load it",
            hint=f"see what becomes of it: lppack status --on {host.name}",
        )
    log = _log(host, module, began)
    raise ApplyRefused(
        f"the kernel refused {module}: {said[-1] if said else f'insmod ended with {done.rc}'}",
        hint="\n  ".join(["the kernel's log says:", *log])
        if log
        else "see the kernel's log: dmesg",
        reason="kernel-refused",
    )


def _insmod(host: Host, path: str) -> Ran:
    """Run insmod. Raise ApplyRefused if the host has no insmod; nothing was loaded then."""
    try:
        done = host.run(["insmod", path], limit=_INSERT)
    except HostError as error:
        if not error.absent and error.errno != errno.EACCES:
            raise
        done = Ran(rc=_NO_PROGRAM, out="", err=error.message)
    if done.rc in (_NO_PROGRAM, _NOT_EXECUTABLE):
        raise ApplyRefused(
            f"insmod cannot be run on {host.name}, and nothing was loaded: {done.err.strip()}",
            hint="install kmod there",
            reason="no-insmod",
        )
    return done


def _uptime(host: Host) -> float:
    found = (text(host, abi.UPTIME) or "").split(" ")[0]
    try:
        return float(found)
    except ValueError:
        return 0.0


#: Tolerance, in seconds and as a share: unlike /proc/uptime, the log's clock is not corrected.
_SKEW, _DRIFT = 2.0, 1e-4


def _log(host: Host, module: str, since: float) -> list[str]:
    """Return the log's last lines about ``module`` and live patches, since about ``since``
    (seconds)."""
    done = host.run(["dmesg"], limit=LIMIT)
    # "Loading of": kernel/module/signing.c, module_sig_check() (v6.1).
    wanted = re.compile(rf"livepatch|lppack_engine|{re.escape(module)}|module: |insmod|Loading of ")
    oldest = since - _SKEW - _DRIFT * since
    stamp = re.compile(r"\[ *(\d+\.\d+)\]")
    return [
        line
        for line in done.out.splitlines()
        if wanted.search(line) and not ((found := stamp.match(line)) and float(found[1]) < oldest)
    ][-4:]


def remove(host: Host, module: str) -> None:
    """Unload a module. Raise HostError EBUSY, with rmmod's message, if rmmod fails."""
    done = host.run(["rmmod", module], limit=LIMIT)
    if done.rc != 0:
        raise HostError(f"{abi.MODULES}/{module}", errno.EBUSY, (done.err or done.out).strip())


def is_loaded(host: Host, module: str) -> bool:
    # initstate exists as soon as the module does (kernel/module/sysfs.c, v6.1).
    return text(host, f"{abi.MODULES}/{module}/initstate") is not None


def text(host: Host, path: str) -> str | None:
    """Return the text of a file; None if there is no such file."""
    try:
        return host.read(path).strip()
    except HostError as error:
        if error.absent:
            return None
        raise


def names(host: Host, path: str) -> tuple[str, ...]:
    """Return the names in a folder; empty if it does not exist. Raise any other HostError."""
    try:
        return host.list(path)
    except HostError as error:
        if error.absent:
            return ()
        raise


#: Number of attempts to read a list if other readers restart it; see kmod/engine/lists.c.
_READS = 5


def blockers(host: Host, path: str) -> tuple[Blocker, ...]:
    """Read the list of blocking threads, in the format of lpe_list_blockers() and lp_inside_show().

    Return () if the file does not exist. Raise HostError EBADMSG if a line is malformed, and ESTALE
    if other readers restart the list at each attempt.
    """
    said = ""
    for reads_left in reversed(range(_READS)):
        try:
            said = host.read(path)
            break
        except HostError as error:
            if error.absent:
                return ()
            if error.errno != errno.ESTALE or not reads_left:
                raise
    rows = [line.split("\t", 4) for line in said.splitlines()]
    if rows and len(rows[-1]) < 5 and not said.endswith("\n"):
        rows.pop()  # lp_inside_show() truncates the last line
    return tuple(_blocker(path, row) for row in rows)


def _blocker(path: str, row: list[str]) -> Blocker:
    if len(row) != 5:
        line = "\t".join(row)[:40]
        raise HostError(path, errno.EBADMSG, f"{path}: {ascii(line)} is not a line about a thread")
    pid, tid, where, reason, comm = row
    function = None if where == "-" else where.split(" ")[0]
    return Blocker(
        pid=number(path, pid),
        tid=number(path, tid),
        comm=comm,
        function=function,
        reason=f"{reason} {function}" if function else reason,
    )


def was_forced(host: Host) -> bool | None:
    """Search the kernel's log for a forced transition; None if the log cannot be read.

    The log loses its oldest lines. So one that was seen once is noted, with the boot ID.
    """
    boot = text(host, abi.BOOT_ID)
    if boot is not None and text(host, FORCED) == boot:
        return True
    try:
        log = host.run(["dmesg"], limit=LIMIT)
    except HostError as error:
        if error.absent:
            return None
        raise
    if log.rc != 0:
        return None
    if abi.FORCED not in log.out:
        return False
    with contextlib.suppress(HostError):  # only root can write the note
        put_bytes(host, FORCED, f"{boot}\n".encode(), mode=0o644)
    return True


def moving_for(host: Host, module: str) -> float | None:
    """Return the seconds since the kernel's log says that a transition of ``module`` began."""
    # klp_start_transition(), kernel/livepatch/transition.c, also of a reversal (v6.1);
    # lpe_begin() and lpe_turn() of kmod/engine.
    began = re.compile(
        rf"^\[ *(\d+\.\d+)\] [a-z_]+: '{re.escape(module)}': (starting|reversing|.* complete)"
    )
    lines = host.run(["dmesg"], limit=LIMIT).out.splitlines()
    last = next((found for line in reversed(lines) if (found := began.match(line))), None)
    if last is None or last[2].endswith("complete"):
        return None
    return max(0.0, _uptime(host) - float(last[1]))


def srcversion(host: Host, module: str) -> str | None:
    # kernel/module/main.c: MODINFO_ATTR(srcversion); scripts/mod/sumversion.c (v6.1).
    return text(host, f"{abi.MODULES}/{module}/srcversion") or None


def load_order(host: Host) -> tuple[str, ...]:
    """Return the loaded modules, the oldest first."""
    lines = (text(host, abi.MODULE_LIST) or "").splitlines()
    return tuple(line.split(" ")[0] for line in reversed(lines))


def ours(host: Host) -> tuple[str, ...]:
    """Return the modules that may be patches of lppack."""
    return tuple(name for name in names(host, abi.MODULES) if name.startswith("lppack_"))


def enable(host: Host, path: str, to: bool | None) -> None:
    """Write ``to`` to an attribute `enabled`; None: the opposite of its value."""
    if to is None:
        to = host.read(path).strip() != "1"
    host.write(path, "1" if to else "0")


def number(path: str, said: str) -> int:
    """Parse the number that a host has returned for ``path``. Raise HostError EBADMSG."""
    digits = said.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
        raise HostError(path, errno.EBADMSG, f"{path}: {ascii(said[:40])} is no number")
    return int(said)


def converted(host: Host, module: str) -> int:
    """Return how many objects a patch of lppack has converted."""
    return number(abi.parameter(module, "converted"), parameter(host, module, "converted") or "0")


def parameter(host: Host, module: str, name: str) -> str | None:
    return text(host, abi.parameter(module, name))


def still_new(host: Host, module: str) -> tuple[tuple[str, int], ...] | None:
    """Return how many objects each `reverse` has left in the new form; None if not counted."""
    said = parameter(host, module, "still_new")
    if said is None:
        return None
    rows = (line.split() for line in said.splitlines())
    path = abi.parameter(module, "still_new")
    return tuple((row[1], number(path, row[0])) for row in rows if len(row) == 2)


def info(host: Host, module: str) -> PatchInfo:
    """Return what a patch reports about itself; an empty PatchInfo, which is false, if it is
    foreign."""
    return PatchInfo.from_json(parameter(host, module, "info"))
