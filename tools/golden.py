# SPDX-License-Identifier: MIT
"""Compare tests/golden with what the templates render for the examples, or update it."""

import argparse
import difflib
import sys
import tempfile
from pathlib import Path

from lppack import abi, resources
from lppack.document import Document
from lppack.kernel.config import parse_config
from lppack.kernel.facts import Facts
from lppack.kernel.symbols import Symbol
from lppack.model import Kernel, Plan
from lppack.stages.generate import generate
from lppack.stages.load import load
from lppack.stages.plan import plan
from lppack.stages.validate import validate

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests/golden"
EXAMPLES = ("conn-limit", "conn-limit-2", "ledger", "proc-cmdline")

_NOWHERE = Path("/nowhere")
KERNEL = Kernel(
    release="6.1.0-56-amd64",
    version="#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)",
    suite="bookworm",
    root=_NOWHERE,
    image=_NOWHERE,
    config=_NOWHERE,
    modules=_NOWHERE,
    headers=_NOWHERE,
)
CONFIG = parse_config(
    "CONFIG_LIVEPATCH=y\nCONFIG_MODULES=y\nCONFIG_SYSFS=y\nCONFIG_KALLSYMS_ALL=y\n"
    "CONFIG_DYNAMIC_FTRACE=y\nCONFIG_DYNAMIC_FTRACE_WITH_ARGS=y\n"
    'CONFIG_CC_VERSION_TEXT="gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"\n'
)


class OneOfEach(Facts):
    """A kernel that has every function once, and no modules."""

    def __init__(self) -> None:
        self.release = KERNEL.release

    def copies(self, name: str) -> tuple[Symbol, ...]:
        # Only with CONFIG_PREEMPT_RT, or only in kernels from 6.13 or 6.9 on.
        if name in ("rt_spin_lock", "resched_curr_lazy", abi.EXIT_LISTS):
            return ()
        return (Symbol(name=name, address=0, type="t", sympos=1, traceable=True, init=False),)

    def clones(self, name: str) -> tuple[str, ...]:
        return ()

    def has_module(self, module: str | Path) -> bool:
        return False


def plan_of(document: Document, *, test_points: bool = False) -> Plan:
    """Return the plan for KERNEL, which does not depend on this machine."""
    return plan(document, validate(document), KERNEL, OneOfEach(), CONFIG, test_points=test_points)


def rendered(example: str) -> dict[str, str]:
    """Return name -> text of each file that is rendered for an example."""
    return dict(generate(plan_of(load(resources.examples() / example))).files)


def kept(folder: Path) -> dict[str, str]:
    """Return name -> text of each file in ``folder``."""
    return {file.name: file.read_text() for file in sorted(folder.glob("*"))}


def differences(folder: Path, made: dict[str, str]) -> list[str]:
    """Return a diff, as lines, from the files in ``folder`` to the rendered ones."""
    old = kept(folder)
    return [
        line
        for name in sorted({*old, *made})
        for line in difflib.unified_diff(
            old.get(name, "").splitlines(),
            made.get(name, "").splitlines(),
            f"{folder.name}/{name}",
            f"{folder.name}/{name} (rendered)",
            lineterm="",
        )
    ]


def update(folder: Path, made: dict[str, str]) -> None:
    """Write the rendered files into ``folder``, and remove all others."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
        for name, text in made.items():
            (Path(draft) / name).write_text(text)
        folder.mkdir(exist_ok=True)
        for name in kept(folder).keys() - made.keys():
            (folder / name).unlink()
        for name in made:
            (Path(draft) / name).replace(folder / name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="write them; then review the diff")
    wanted = parser.parse_args()
    lines = []
    for example in EXAMPLES:
        made = rendered(example)
        lines += differences(GOLDEN / example, made)
        if wanted.update:
            update(GOLDEN / example, made)
    print("\n".join(lines) or "tests/golden is what the templates render")
    return 1 if lines and not wanted.update else 0


if __name__ == "__main__":
    sys.exit(main())
