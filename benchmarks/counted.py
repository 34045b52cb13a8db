# SPDX-License-Identifier: MIT
"""One guest whose clock counts instructions, for all engines and modes of one patch."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lppack import pipeline
from lppack.consistency import EngineName
from lppack.cost.measured import SEVERAL
from lppack.errors import ManifestError
from lppack.hosts.guest import GuestHost, boot
from lppack.hosts.initramfs import append_tree
from lppack.model import Kernel
from lppack.stages.apply import Control, apply
from lppack.stages.revert import revert
from lppack.stages.test import load_targets
from tests.loads.driver import Patch
from tests.loads.matrix import ENGINES, build_from, cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The guest, and the patch for each engine and mode that takes this kernel."""

    host: GuestHost
    release: str
    patches: dict[str, Patch]  # by "ENGINE MODE"

    @contextlib.contextmanager
    def patched(self, path: str) -> Iterator[None]:
        """Apply the patch of one engine and mode, and take it back."""
        patch = self.patches[path]
        engine = ENGINES[patch.bundle.engine](self.host)
        control = Control(engine=engine, host=self.host, timeout=120.0)
        apply(control, patch.bundle, patch.ko)
        yield
        revert(control, patch.bundle.series)


@contextlib.contextmanager
def counted(
    kernel: Kernel,
    patch: Path,
    paths: tuple[str, ...] = (),
    *,
    root: Path | None = None,
    several: Path | None = None,
) -> Iterator[Counted]:
    """Boot ``kernel`` with the targets and programs of ``patch``; ``paths``: those alone;
    ``root``: more programs; ``several``: the patch for paths of SEVERAL functions in an object."""
    with tempfile.TemporaryDirectory(prefix="lppack-") as name:
        built = {}
        for engine, mode in cells():
            path = f"{engine} {mode.name}"
            # Where plan refuses an engine for this kernel there is nothing to be counted.
            with contextlib.suppress(ManifestError):
                if not paths or path in paths:
                    built[path] = build_from(patch, kernel, engine, mode, Path(name) / path)
                    if several is not None and engine is EngineName.CONSISTENCY:
                        place = Path(name) / f"{path}-several"
                        built[path + SEVERAL] = build_from(several, kernel, engine, mode, place)
        initramfs = pipeline.initramfs_for(kernel, "docker")
        if root is not None:
            initramfs = Path(shutil.copy(initramfs, Path(name) / "initramfs.cpio"))
            append_tree(initramfs, root)
        work = Path(name) / "g"
        with boot(kernel, work=work, initramfs=initramfs, counted=True, limit=600.0) as host:
            first = next(iter(built.values()))
            load_targets(host, first.bundle, first.ko.parent)
            yield Counted(host=host, release=kernel.release, patches=built)
            if found := host.faults():
                raise RuntimeError("\n".join(found))
