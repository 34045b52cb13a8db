# SPDX-License-Identifier: MIT
"""migrate: a process tree from one kernel into another one, by CRIU and kexec, in a guest.

The images of CRIU and the folder of the program are packed as a third archive of the new kernel's
initramfs, which stays in memory over kexec.
"""

import contextlib
import re
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lppack.errors import AnswerIsNo
from lppack.hosts.guest import GuestHost
from lppack.proc import Say

#: Kernel modules for CRIU and kexec. Those that a kernel lacks are built in, or do not exist.
MODULES = (
    *("crc32c_generic", "unix_diag", "inet_diag", "tcp_diag", "udp_diag", "raw_diag"),
    *("netlink_diag", "af_packet_diag", "nf_tables", "tun", "veth"),
)
#: CRIU 3.17 of bookworm fails on kernels since 6.13: "Unexpected rt vDSO area bounds".
SUITE = "trixie"
PACKAGES = ("criu", "kexec-tools")
PROGRAMS = ("usr/sbin/criu", "sbin/kexec")
#: Folder in which the program runs; it is migrated, too.
WORK = "/job"
_IMAGES = "/criu"
#: A periodic timerfd that had expired, in CRIU's log: restoring its value of 0 disarms it.
_DISARMED = re.compile(
    r"timerfd: Dumping .* it_value\(0, 0\) it_interval\((?!0, 0\))(\d+), (\d+)\)"
)
_CRIU = "criu {verb} -D {images} -v4 -o {verb}.log --tcp-established"
_WORDS = "console=ttyS0 panic=-1 no_timer_check"
_KEXEC = "setsid sh -c 'sleep 0.3; kexec -e' < /dev/null > /dev/null 2>&1 &"
_GONE = 1.0  # seconds after which the old kernel no longer answers
_STEP = 120.0
_BOOT = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeState:
    """The processes, threads and open files of a process tree, as /proc shows them."""

    processes: tuple[str, ...]  # PID NAME
    threads: tuple[str, ...]  # PID/TID
    files: tuple[str, ...]  # PID/FD KIND

    def lost(self, after: "TreeState") -> tuple[str, ...]:
        """Return what is in this state but not in ``after``."""
        return tuple(
            f"{kind} {one}"
            for kind in ("processes", "threads", "files")
            for one in sorted(set(getattr(self, kind)) - set(getattr(after, kind)))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """The result of a migration."""

    before: TreeState
    after: TreeState
    timers: tuple[float, ...]  # intervals in s of the periodic timerfds that never expire again
    seconds: dict[str, float]  # of each step, in order
    image_bytes: int
    release: str  # release of the kernel that runs afterwards

    @property
    def lost(self) -> tuple[str, ...]:
        """What the restored tree lacks."""
        return (
            *self.before.lost(self.after),
            *(f"periodic timerfd of {interval:g} s" for interval in self.timers),
        )

    @property
    def pause(self) -> float:
        """Seconds in which the tree did not run: from freezing until it continued."""
        return sum(self.seconds[name] for name in ("dump", "pack", "load", "boot", "restore"))


def migrate(
    host: GuestHost,
    *,
    program: Path,
    arguments: str,
    image: Path,
    initramfs: Path,
    settle: float,
    say: Say,
) -> Migrated:
    """Run ``program`` in the guest, and move it to the kernel ``image``.

    Raise AnswerIsNo with CRIU's message if a step fails.
    """
    seconds: dict[str, float] = {}
    steps = _Steps(host, seconds, say)
    steps.shell("start", f"mkdir -p {WORK} {_IMAGES}; ip link set lo up")
    host.put(program, f"{WORK}/program", mode=0o755)
    host.put(image, "/next", mode=0o644)
    host.put(initramfs, "/next.cpio", mode=0o644)
    steps.shell(
        "start",
        f"cd {WORK}; setsid ./program {arguments} < /dev/null > out 2>&1 & sleep {settle}",
    )
    pid = steps.shell("start", "pidof program | tr ' ' '\\n' | sort -n | head -1").strip()
    if not pid:
        out = host.read(f"{WORK}/out")
        raise AnswerIsNo(f"{program} has ended before {settle:g} s were over\n{out[-2000:]}")
    before = _state(host)
    steps.shell("dump", _criu("dump") + f" -t {pid} --network-lock nftables")
    told = steps.shell("dump", f"grep timerfd: {_IMAGES}/dump.log || true")
    steps.shell(
        "pack",
        f"cd /; find {_IMAGES[1:]} {WORK[1:]} | busybox cpio -o -H newc > /extra 2>/dev/null; "
        "cat /extra >> /next.cpio; rm /extra",
    )
    size = int(steps.shell("pack", f"du -sk {_IMAGES}").split()[0]) << 10
    steps.shell("load", f"kexec -l /next --initrd=/next.cpio --command-line={shlex.quote(_WORDS)}")
    with steps.timed("boot"):
        # The guest answers before kexec, because afterwards it cannot.
        host.run(["/bin/busybox", "sh", "-c", _KEXEC], limit=_STEP)
        host.close()
        time.sleep(_GONE)
        host.ping(limit=_BOOT)
    steps.shell("restore", "ip link set lo up; " + _criu("restore") + " --restore-detached")
    release = steps.shell("after", "uname -r").strip()
    return Migrated(
        before=before,
        after=_state(host),
        timers=tuple(int(s) + int(ns) / 1e9 for s, ns in _DISARMED.findall(told)),
        seconds=seconds,
        image_bytes=size,
        release=release,
    )


def _criu(verb: str) -> str:
    return _CRIU.format(verb=verb, images=_IMAGES)


class _Steps:
    """A runner of steps, which measures their times."""

    def __init__(self, host: GuestHost, seconds: dict[str, float], say: Say) -> None:
        self._host, self._seconds, self._say = host, seconds, say

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        if name not in self._seconds:
            self._say(f"{name}")
        began = time.monotonic()
        yield
        self._seconds[name] = self._seconds.get(name, 0.0) + time.monotonic() - began

    def shell(self, name: str, script: str) -> str:
        with self.timed(name):
            ran = self._host.run(["/bin/busybox", "sh", "-c", script], limit=_STEP)
        if ran.rc != 0:
            raise AnswerIsNo(
                f"{name}: exit code {ran.rc}\n{(ran.err + ran.out).strip()[-1000:]}\n"
                f"{self._log(name)}"
            )
        return ran.out

    def _log(self, name: str) -> str:
        """Return the errors in CRIU's log."""
        with contextlib.suppress(Exception):
            text = self._host.read(f"{_IMAGES}/{name}.log")
            return "\n".join(re.findall(r".*Error.*", text)[-12:])
        return ""


def _state(host: GuestHost) -> TreeState:
    """Read /proc of all processes called `program`."""
    script = (
        "for p in $(pidof program); do echo P $p $(cat /proc/$p/comm); "
        "for t in /proc/$p/task/*; do echo T $p/${t##*/}; done; "
        "for f in /proc/$p/fd/*; do echo F $p/${f##*/} $(readlink $f); done; done"
    )
    out = host.run(["/bin/busybox", "sh", "-c", script], limit=_STEP).out
    kinds: dict[str, list[str]] = {"P": [], "T": [], "F": []}
    for line in out.splitlines():
        kind, _, rest = line.partition(" ")
        # Each kernel assigns other numbers to pipes and sockets, so ignore them.
        kinds[kind].append(re.sub(r":\[\d+\]$", "", rest))
    return TreeState(
        processes=tuple(kinds["P"]), threads=tuple(kinds["T"]), files=tuple(kinds["F"])
    )
