# SPDX-License-Identifier: MIT
"""What tests of packages share."""

import subprocess
from pathlib import Path

MAINTAINER = "Jo Doe <jo@example.org>"


def unpacked(deb: Path, folder: Path) -> list[Path]:
    """Unpack a .deb; return its files, relative to ``folder``."""
    subprocess.run(["dpkg-deb", "-x", deb, folder], check=True)
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder) for path in files)


def name_of(deb: Path) -> str:
    shown = ["dpkg-deb", "-f", str(deb), "Package"]
    return subprocess.run(shown, capture_output=True, text=True, check=True).stdout.strip()


def helper_of(deb: Path) -> str:
    return f"/usr/lib/lppack/{name_of(deb)}/livepatch"


def state_of(deb: Path) -> str:
    return f"/var/lib/lppack/boot/{name_of(deb)}"
