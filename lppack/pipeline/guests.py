# SPDX-License-Identifier: MIT
"""Guests with the test targets of patches."""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lppack import entries, resources, store
from lppack.hosts.protocol import Host
from lppack.model import Bundle, Kernel
from lppack.pipeline.build import make_bundle, open_builder
from lppack.pipeline.check import make_plan

if TYPE_CHECKING:
    from lppack.hosts.guest import GuestHost
    from lppack.hosts.guests import LiveGuest


def initramfs_for(kernel: Kernel, builder: str) -> Path:
    """Return the initramfs of lppack's guests, which is built once for a kernel and an agent."""
    from lppack.hosts import initramfs

    agent, busybox = _programs(builder)
    key = hashlib.sha256(
        b"\0".join((agent.read_bytes(), busybox.read_bytes(), kernel.version.encode()))
        + Path(initramfs.__file__).read_bytes()
    ).hexdigest()[:16]
    out = store.cache_dir() / "initramfs" / f"{kernel.release}-{key}.cpio"
    return entries.ensure_file(out, lambda draft: initramfs.make(kernel, agent, busybox, draft))


def own_initramfs(kernel: Kernel, builder: str, out: Path, modules: tuple[str, ...]) -> None:
    """Write an initramfs to ``out``, with more modules than lppack's guests have."""
    from lppack.hosts import initramfs

    initramfs.make(kernel, *_programs(builder), out, (*initramfs.MODULES, *modules))


def _programs(builder: str) -> tuple[Path, Path]:
    """Return the programs of a guest: the agent and busybox."""
    from lppack.distributions import open_distribution
    from lppack.stages.build import build_program

    made_by = open_builder(builder, lambda _line: None)
    agent = build_program(resources.template_dir() / "guest/agent.c", made_by)
    return agent, open_distribution().busybox()


def start_guest(
    name: str,
    *,
    kernel: str | None,
    builder: str,
    targets: Sequence[str] = (),
    words: Sequence[str] = (),
) -> None:
    """Start a guest that keeps running after this command, with the test targets of patches
    loaded."""
    from lppack.distributions import open_distribution
    from lppack.hosts import guests

    chosen = open_distribution().kernels.resolve(kernel, (open_distribution().default_kernels,))
    host = guests.start(name, chosen, initramfs_for(chosen, builder), cmdline=tuple(words))
    try:
        for target in targets:
            plan = make_plan(Path(target), kernel=kernel or chosen.release)
            with tempfile.TemporaryDirectory(prefix="lppack-") as folder:
                built = make_bundle(plan, Path(folder), builder=builder, on_line=lambda _line: None)
                _load_targets(host, built.bundle, Path(folder), chosen)
    except BaseException:
        guests.stop(name)
        raise


def _load_targets(host: Host, bundle: Bundle, folder: Path, kernel: Kernel) -> None:
    from lppack.stages.bundle import extract
    from lppack.stages.test import load_modules, load_targets

    extract(bundle.path, folder)
    load_modules(host, bundle, kernel)
    load_targets(host, bundle, folder)


def stop_guest(name: str) -> None:
    """Stop a guest. Raise EnvironmentMissing if there is none."""
    from lppack.hosts import guests

    guests.stop(name)


def list_guests() -> tuple["LiveGuest", ...]:
    from lppack.hosts import guests

    return guests.list_guests()


def connect_guest(name: str) -> "GuestHost":
    """Return a running guest; faults of its kernel are watched from now on."""
    from lppack.hosts import guests

    host = guests.connect(name)
    host.watch()
    return host
