# SPDX-License-Identifier: MIT
"""A kernel on disk."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One exact kernel on this machine's disk, for which a patch is checked, built and run."""

    release: str  # as uname -r: "6.1.0-56-amd64"
    version: str  # as uname -v: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"
    suite: str  # Debian suite whose compiler built it: "bookworm"
    root: Path  # tree that holds boot/, lib/modules/, usr/src/ (root of the machine for "running")
    image: Path  # vmlinuz
    config: Path
    modules: Path  # lib/modules/RELEASE
    headers: Path  # usr/src/linux-headers-RELEASE; may be missing on disk in a hand-made tree
    package: str | None = None  # Debian version of the package; None: not from a package
