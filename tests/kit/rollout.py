# SPDX-License-Identifier: MIT
"""What hosts of a roll-out have gathered."""

import json
from pathlib import Path

from tests.kit.samples import RELEASE

_ENTRY = "main;entry_SYSCALL_64_after_hwframe;do_syscall_64"
_INSIDE = f"{_ENTRY};cmdline_proc_show;schedule"
FAST = "".join(f"web-{tid};{_ENTRY} 60000\n" for tid in (100, 101))
SLOW = "".join(f"web-{tid};{_INSIDE} 300\nweb-{tid};main 700\n" for tid in range(100, 104))
STUCK = f"{FAST}reader-200;{_INSIDE} 60000\n"
HISTOGRAM = """\
     msecs               : count     distribution
       256 -> 511        : 200      |****************************************|
avg = 400 msecs, total: 80000 msecs, count: 200
"""


def gather(
    hosts: Path, name: str, stacks: str | None, *, kernel: str = RELEASE, **more: str
) -> None:
    """As docs/fleet.md says it."""
    (hosts / name).mkdir(parents=True)
    status = {"ok": True, "kernel": kernel, "patches": []}
    (hosts / name / "status.json").write_text(more.pop("status", json.dumps(status)))
    if stacks is not None:
        (hosts / name / "stacks.folded").write_text(stacks)
    for function, text in more.items():
        (hosts / name / f"{function}.hist").write_text(text)
