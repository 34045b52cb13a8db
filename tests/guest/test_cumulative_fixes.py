# SPDX-License-Identifier: MIT
"""Real fixes, live side by side, then as one cumulative patch and its next version."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.engines.livepatch import Livepatch
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Bundle, Step
from lppack.packages.kernels import resolve
from lppack.stages.apply import Control, apply, undo
from lppack.stages.bundle import extract
from lppack.stages.test import fits, load_modules, load_targets
from tests.guest.test_fixes import FIXES, OLD
from tools.cumulative import FIRST, SECOND

pytestmark = pytest.mark.guest

EVERY = sorted({*FIRST, *SECOND})


class Fixes:
    """A guest with the defects, and the patches for it."""

    def __init__(self, host: GuestHost, folder: Path) -> None:
        self.control = Control(engine=Livepatch(host), host=host, timeout=60.0)
        self._made: dict[str, tuple[Bundle, Path]] = {}
        kernel = resolve(OLD, ())
        for name in (*EVERY, "all", "all-2"):
            plan = pipeline.make_plan(FIXES / name, kernel=OLD)
            made = pipeline.make_bundle(
                plan, folder / name, builder="docker", on_line=lambda _line: None
            )
            extract(made.path, folder / name / "files")
            self._made[name] = (made.bundle, folder / name / "files")
            load_modules(host, made.bundle, kernel)
            load_targets(host, made.bundle, folder / name / "files")

    def apply(self, name: str) -> None:
        bundle, files = self._made[name]
        apply(self.control, bundle, files / f"{bundle.module}.ko")

    def undo_all(self) -> None:
        for state in self.control.engine.patches():
            undo(self.control, state.module)

    def live(self) -> set[str]:
        """The fixes whose program sees the fixed kernel; each sees that or the defect."""
        return {name for name in EVERY if self._fixed(name)}

    def modules(self) -> set[str]:
        return {state.module for state in self.control.engine.patches()}

    def _fixed(self, name: str) -> bool:
        check = self._made[name][0].test.checks[0]
        expect = dict(check.expect)
        got = self.control.host.run(["/bin/sh", "-c", check.run], limit=60.0).out.strip()
        fixed = fits(expect[Step.PATCHED], got)
        assert fixed != fits(expect[Step.BEFORE], got), (name, got)
        return fixed


@pytest.fixture(scope="module")
def fixes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fixes]:
    kernel = resolve(OLD, ())
    folder = tmp_path_factory.mktemp("fixes")
    initramfs = pipeline.initramfs_for(kernel, "docker")
    with boot(kernel, work=folder / "g", initramfs=initramfs) as host:
        yield Fixes(host, folder)
        assert host.faults() == ()


def test_one_by_one_then_all_then_the_next_version(fixes: Fixes) -> None:
    assert fixes.live() == set()
    for name in EVERY:
        fixes.apply(name)
    assert fixes.live() == set(EVERY)
    fixes.apply("all")
    assert fixes.modules() == {"lppack_all_1"}
    assert fixes.live() == set(FIRST)
    fixes.apply("all-2")
    assert fixes.modules() == {"lppack_all_2"}
    assert fixes.live() == set(SECOND)
    fixes.undo_all()
    assert fixes.live() == set()
