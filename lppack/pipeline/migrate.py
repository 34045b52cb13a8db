# SPDX-License-Identifier: MIT
"""Move a process tree from one kernel to another, in a guest."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lppack.errors import EnvironmentMissing
from lppack.model import Kernel
from lppack.proc import Say

if TYPE_CHECKING:
    from lppack.hosts.guest import GuestHost
    from lppack.stages.migrate import Migrated

_MEMORY_MB = 1536  # room for both kernels' roots and the images


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationPlan:
    """The steps of `migrate`."""

    program: Path
    old: Kernel
    new: Kernel

    @property
    def steps(self) -> tuple[tuple[str, str], ...]:
        """Return (step, description)."""
        from lppack.stages.migrate import PACKAGES, WORK

        return (
            ("start", f"boot {self.old.release} in a private guest, run {self.program} in {WORK}"),
            ("dump", f"{PACKAGES[0]} of Debian freezes the tree and writes it down; it ends there"),
            ("pack", f"the images and {WORK} become a part of the next kernel's initramfs"),
            ("load", f"kexec loads {self.new.release}"),
            ("boot", f"kexec starts {self.new.release}, without firmware; memory is new"),
            ("restore", "CRIU restores the tree, with the same ids, and it continues"),
        )


def plan_migration(program: Path, kernel: str | None, to: str) -> MigrationPlan:
    """Choose both kernels. Raise EnvironmentMissing."""
    from lppack.distributions import open_distribution

    if not program.is_file():
        raise EnvironmentMissing(
            f"{program} is no file", hint="give a program that is linked statically: gcc -static"
        )
    with program.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            raise EnvironmentMissing(
                f"{program} is not a Linux program",
                hint="give one that is linked statically: gcc -static",
            )
    distribution = open_distribution()
    resolve = distribution.kernels.resolve
    return MigrationPlan(
        program=program,
        old=resolve(kernel, (distribution.default_kernels,)),
        new=resolve(to, ()),
    )


def run_migration(
    plan: MigrationPlan,
    *,
    arguments: Sequence[str],
    settle: float,
    builder: str,
    say: Say,
    look: "Callable[[GuestHost], None]" = lambda _host: None,
) -> "Migrated":
    """Boot the guest, and migrate; call ``look`` with the guest at the end.

    Raise AnswerIsNo if CRIU or kexec fails.
    """
    import shlex

    from lppack.debian.programs import programs_root
    from lppack.hosts import initramfs
    from lppack.hosts.guest import boot
    from lppack.pipeline.guests import own_initramfs
    from lppack.stages.migrate import MODULES, PACKAGES, PROGRAMS, SUITE, migrate

    root = programs_root(PACKAGES, PROGRAMS, SUITE)
    with tempfile.TemporaryDirectory(prefix="lppack-") as name:
        roots = {}
        for kernel in (plan.old, plan.new):
            modules = initramfs.those_there(kernel, MODULES)
            roots[kernel.release] = Path(name) / f"{kernel.release}.cpio"
            own_initramfs(kernel, builder, roots[kernel.release], modules)
            initramfs.append_tree(roots[kernel.release], root)
        say(f"booting {plan.old.release} in a private guest")
        with boot(
            plan.old,
            work=Path(name) / "g",
            initramfs=roots[plan.old.release],
            memory_mb=_MEMORY_MB,
        ) as host:
            made = migrate(
                host,
                program=plan.program,
                arguments=shlex.join(arguments),
                image=plan.new.image,
                initramfs=roots[plan.new.release],
                settle=settle,
                say=say,
            )
            look(host)
            return made
