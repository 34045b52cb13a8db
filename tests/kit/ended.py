# SPDX-License-Identifier: MIT
"""Whether a process has ended."""

import time
from pathlib import Path


def ended(pid: int) -> bool:
    """Whether ``pid`` runs no more; it may still wait for its parent to notice."""
    for _ in range(500):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return True
        if stat.rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.01)
    return False
