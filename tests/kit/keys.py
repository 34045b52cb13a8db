# SPDX-License-Identifier: MIT
"""Keys to sign bundles with, and whom to trust."""

import subprocess
from pathlib import Path

ALICE = "alice@example.org"


def make_key(folder: Path, name: str, kind: str = "ed25519") -> Path:
    path = folder / name
    words = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", str(path)]
    subprocess.run(words, check=True, timeout=60, stdin=subprocess.DEVNULL)
    return path


def allow(folder: Path, key: Path, who: str = ALICE, options: str = "") -> Path:
    path = folder / "allowed_signers"
    words = [who, options, Path(f"{key}.pub").read_text()]
    path.write_text(" ".join(word for word in words if word))
    return path
