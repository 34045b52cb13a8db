# SPDX-License-Identifier: MIT
"""What a run on the debug kernel must end with: a silent console, and checkers that still check."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lppack.hosts.console import faults
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Kernel

#: On the guest's command line: KASAN goes on after its first report. Under so many checkers the
#: interpreter of ACPI gives up on the routing of PCI interrupts (drivers/acpi/acpica: 30 s for a
#: loop, v6.1), and the agent would have no port. On a busy machine half a minute passes until the
#: first work of the boot is done, which the watchdog of workqueues would take for a lockup.
WORDS = ("kasan_multi_shot", "no_hash_pointers", "pci=noacpi", "workqueue.watchdog_thresh=120")
#: Seconds in which it is up, on a machine that has other things to do.
BOOT = 600.0
#: In MB. KASAN's shadow is an eighth, and what is freed waits in quarantine.
MEMORY = 1024

# kernel/locking/lockdep_proc.c: lockdep_stats_show() (v6.1).
_LOCKDEP = "/proc/lockdep_stats"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the stock kernel reports of itself."""

    pattern: str
    reason: str


ALLOWED = (
    Allowed(
        pattern=r"suspicious RCU usage[\s\S]*kernel/trace/ftrace\.c:\d+ RCU-list traversed in "
        r"non-reader section",
        reason="kernel/trace/ftrace.c (v6.1): register_ftrace_direct() calls "
        "ftrace_find_direct_func(), which walks an RCU list under direct_mutex and does not say so",
    ),
)


def reported(console: str) -> tuple[str, ...]:
    """The faults on a console but for the stock kernel's own."""
    return tuple(
        fault
        for fault in faults(console)
        if not any(re.search(allowed.pattern, fault) for allowed in ALLOWED)
    )


def complaints(host: GuestHost) -> tuple[str, ...]:
    """What the kernel has reported so far, and that lockdep is off if it is.

    After a report of KASAN or of lockdep itself, lockdep and PROVE_RCU say nothing any more
    (lib/debug_locks.c: debug_locks_off(), v6.1).
    """
    found = reported(host.console.read_text(errors="replace"))
    on = re.search(r"^\s*debug_locks:\s*1$", host.read(_LOCKDEP), re.MULTILINE)
    return found if on else (*found, "lockdep is off")


@contextlib.contextmanager
def boot_checked(
    kernel: Kernel, *, work: Path, initramfs: Path, words: tuple[str, ...] = ()
) -> Iterator[GuestHost]:
    """Boot the debug kernel in the directory ``work``, with ``words`` on its command line too."""
    with boot(
        kernel,
        work=work,
        initramfs=initramfs,
        cmdline=(*WORDS, *words),
        memory_mb=MEMORY,
        limit=BOOT,
    ) as host:
        host.limit = 120.0
        yield host
