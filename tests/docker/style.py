# SPDX-License-Identifier: MIT
"""The generated modules whose style is checked."""

from pathlib import Path

from lppack import pipeline
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.model import Plan
from tests.kit.command import EXAMPLES

FIXES = EXAMPLES / "fixes"
CASES = [
    ("proc-cmdline", False),
    ("saved-cmdline", False),
    ("loop-dio", False),
    ("../tests/guest/patches/nap", False),
    ("../tests/guest/patches/caught", True),
    ("../tests/guest/patches/late", True),
    ("ledger", False),
    ("conn-limit", False),
    ("conn-limit", True),
    ("conn-limit-2", True),
    ("../tests/guest/patches/hooks", False),
    ("../tests/guest/patches/slots", False),
    ("../tests/guest/patches/ticks", True),
    ("../tests/guest/patches/visits", False),
    ("../tests/guest/patches/crowd", False),
    ("../tests/guest/patches/crowd", True),
    *((f"fixes/{path.parent.name}", False) for path in sorted(FIXES.glob("*/manifest.yaml"))),
    ("../tests/loads/victim/forms.yaml", False),
    ("../tests/loads/victim/visits.yaml", False),
    ("../tests/loads/victim/border.yaml", False),
    ("../tests/loads/gates", False),
]


def sources(name: str, test_points: bool, folder: Path, mode: str | None = None) -> Plan:
    # A fix is for one kernel, which its manifest names.
    # What reads the list of threads that exit is only in code for kernels since 6.9.
    series = releases_of("6.12") if name.endswith("/late") else releases_of()
    kernel = None if name.startswith("fixes/") else resolve(None, (series,)).release
    plan = pipeline.make_plan(EXAMPLES / name, kernel=kernel, mode=mode, test_points=test_points)
    pipeline.write_tree(pipeline.make_tree(plan), folder)
    return plan
