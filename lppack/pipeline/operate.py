# SPDX-License-Identifier: MIT
"""A bundle on a host, and back."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lppack.consistency import EngineName
from lppack.errors import EnvironmentMissing
from lppack.hosts.protocol import Host
from lppack.model import Bundle
from lppack.proc import Say
from lppack.stages.drive import Control
from lppack.stages.host_status import HostStatus
from lppack.stages.status import PatchReport


@contextlib.contextmanager
def open_host(on: str) -> Iterator[Host]:
    """``local`` or ``guest:NAME``."""
    if on == "local":
        from lppack.hosts.local import LocalHost

        _need_root()
        yield LocalHost()
    elif on.startswith("guest:"):
        from lppack.hosts import guests

        host = guests.connect(on.removeprefix("guest:"))
        try:
            yield host
        finally:
            host.close()
    else:
        raise EnvironmentMissing(f'"{on}" is not a host', hint="local, guest:NAME, or simulated")


def _need_root() -> None:
    import os

    if os.geteuid() != 0:
        raise EnvironmentMissing(
            "only root can load a live patch on this machine",
            hint="run it as root, or try it in a guest: lppack guest start demo",
        )


@contextlib.contextmanager
def _control(on: str, *bundles: Bundle, timeout: float, say: Say) -> Iterator[Control]:
    """Drives the engine of a host; ``bundles`` are those that may be loaded."""
    if on == EngineName.SIMULATED:
        from lppack.engines import simulated as memory

        with memory.stored(memory.state_file()) as kernel:
            yield Control(
                engine=memory.Simulated(kernel, *bundles),
                host=memory.SimulatedHost(kernel),
                clock=memory.SimulatedClock(kernel),
                timeout=timeout,
                say=say,
            )
        return
    from lppack.engines.kernel import KernelEngines

    loads = bundles[0].engine if bundles else EngineName.LIVEPATCH

    with open_host(on) as host:
        yield Control(engine=KernelEngines(host, loads), host=host, timeout=timeout, say=say)


def apply_bundle(
    path: Path, on: str, *, convert: bool, timeout: float, dry_run: bool, say: Say
) -> PatchReport | None:
    """Apply a bundle; None for a dry run, after everything that can be refused was checked."""
    from lppack.stages import bundle as bundles
    from lppack.stages.agreement import verify
    from lppack.stages.apply import apply, refuse_early

    files = bundles.contents(path)  # once: what was checked is what is loaded
    bundle = bundles.parse(path, files)
    verify(bundle, files)
    with (
        tempfile.TemporaryDirectory(prefix="lppack-") as folder,
        _control(on, bundle, timeout=timeout, say=say) as control,
    ):
        if dry_run:
            refuse_early(control, bundle)
            return None
        bundles.write_files(files, Path(folder))
        return apply(control, bundle, Path(folder) / f"{bundle.module}.ko", convert=convert)


def convert_series(series: str, on: str, *, say: Say) -> PatchReport:
    from lppack.stages.convert import convert

    with _control(on, timeout=60.0, say=say) as control:
        return convert(control, series)


def revert_series(series: str, on: str, *, timeout: float, say: Say) -> PatchReport:
    from lppack.stages.revert import revert

    with _control(on, timeout=timeout, say=say) as control:
        return revert(control, series)


def status_of(series: str | None, on: str) -> HostStatus:
    """status of all live patches, or of those of ``series``. Raise ApplyRefused without any."""
    from lppack.stages.host_status import host_status
    from lppack.stages.revert import find

    with _control(on, timeout=60.0, say=lambda _line: None) as control:
        if series is not None:
            find(control, series)  # refuses what is not there
        found = host_status(control.engine, control.host)
        wanted = tuple(p for p in found.patches if series in (None, p.series, p.module))
        return replace(found, patches=wanted)
