# SPDX-License-Identifier: MIT
"""Stories: what is done to live patches in a guest, and what its log then says, in order."""

import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lppack import pipeline
from lppack.abi import PatchPhase
from lppack.hosts.guest import GuestHost
from lppack.model import Bundle, Kernel
from lppack.stages.apply import Control, apply, settle
from lppack.stages.bundle import extract
from lppack.stages.revert import revert

#: busybox's insmod tries finit_module(), and where that fails init_module().
TWICE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A patch that was built, and the lines that the kernel has for it: the formats are those of
    kernel/livepatch/core.c and transition.c (v6.1)."""

    bundle: Bundle
    files: Path

    @property
    def module(self) -> str:
        return self.bundle.module

    @property
    def ko(self) -> Path:
        return self.files / f"{self.module}.ko"

    @property
    def enabling(self) -> str:  # __klp_enable_patch()
        return f"livepatch: enabling patch '{self.module}'"

    @property
    def not_enabled(self) -> str:  # __klp_enable_patch(), err
        return f"livepatch: failed to enable patch '{self.module}'"

    @property
    def incompatible(self) -> str:  # klp_enable_patch(); nothing follows
        return (
            f"livepatch: Livepatch patch ({self.module}) is not compatible with the already "
            "installed livepatches."
        )

    @property
    def patching(self) -> str:  # klp_start_transition()
        return f"livepatch: '{self.module}': starting patching transition"

    @property
    def patched(self) -> str:  # klp_complete_transition()
        return f"livepatch: '{self.module}': patching complete"

    @property
    def unpatching(self) -> str:
        return f"livepatch: '{self.module}': starting unpatching transition"

    @property
    def unpatched(self) -> str:
        return f"livepatch: '{self.module}': unpatching complete"

    def coming(self, name: str) -> str:  # klp_module_coming()
        return f"livepatch: applying patch '{self.module}' to loading module '{name}'"

    def going(self, name: str) -> str:  # klp_cleanup_module_patches_limited()
        return f"livepatch: reverting patch '{self.module}' on unloading module '{name}'"

    def refusing(self, name: str) -> str:  # klp_module_coming(), err
        return (
            f"livepatch: patch '{self.module}' failed for module '{name}', "
            f"refusing to load module '{name}'"
        )

    def hooks(self, *names: str) -> list[str]:
        """What the hooks of the patch say; a generated callback of the kernel called them."""
        return [f"{self.module}: {name}" for name in names]


def make(folder: Path, kernel: Kernel, work: Path, **changes: Any) -> Patch:
    """Builds the patch in ``folder``, with these keys of its manifest changed; None drops one."""
    if changes:
        folder = Path(shutil.copytree(folder, work / "patch"))
        manifest = folder / "manifest.yaml"
        data = yaml.safe_load(manifest.read_text()) | changes
        kept = {key: value for key, value in data.items() if value is not None}
        manifest.write_text(yaml.safe_dump(kept))
    plan = pipeline.make_plan(folder, kernel=str(kernel.root))
    made = pipeline.make_bundle(plan, work, builder="docker", on_line=lambda _line: None)
    extract(made.path, work / "files")
    return Patch(bundle=made.bundle, files=work / "files")


class Story:
    """The guest, and the kernel's and the hooks' lines since the last look."""

    def __init__(self, control: Control, host: GuestHost) -> None:
        self.control = control
        self.host = host
        self._seen = len(self._all())

    def _all(self) -> list[str]:
        text = self.host.run(["dmesg"], limit=20.0).out
        lines = (re.sub(r"^\[[^]]*\] ", "", line) for line in text.splitlines())
        wanted = re.compile(r"livepatch: |lppack_\w+: (?!tainting kernel)")
        return [line for line in lines if wanted.match(line)]

    def said(self) -> list[str]:
        lines = self._all()
        new, self._seen = lines[self._seen :], len(lines)
        return new

    def sh(self, command: str) -> int:
        return self.host.run(["/bin/sh", "-c", command], limit=20.0).rc

    def panic_timeout(self, number: int) -> None:
        self.host.write("/proc/sys/kernel/panic", str(number))

    def apply(self, patch: Patch) -> None:
        apply(self.control, patch.bundle, patch.ko)

    def load(self, patch: Patch) -> None:
        """Past what apply refuses."""
        self.control.engine.load(patch.module, patch.ko)

    def reverse(self, patch: Patch) -> None:
        self.control.engine.reverse(patch.module)

    def revert(self, patch: Patch) -> None:
        revert(self.control, patch.bundle.series)

    def reaches(self, patch: Patch | str, phase: PatchPhase, limit: float = 30.0) -> bool:
        module = patch if isinstance(patch, str) else patch.module
        state, _ = settle(self.control, module, phase, limit)
        return state.phase is phase

    def insmod(self, name: str, *words: str) -> bool:
        return self.sh(" ".join(["insmod", f"/tmp/{name}.ko", *words])) == 0

    def rmmod(self, name: str) -> bool:
        return self.sh(f"rmmod {name}") == 0

    def busy(self, function: str = "late_wait") -> None:
        """A thread sleeps in ``function`` of the module late."""
        self.sh("echo wait > /proc/late &")
        self.until(lambda: self.sh(f"grep -q {function} /proc/[0-9]*/stack 2> /dev/null") == 0)

    def idle(self) -> None:
        self.sh("echo wake > /proc/late")

    def until(self, seen: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not seen():
            assert time.monotonic() < end
            time.sleep(0.1)
