# SPDX-License-Identifier: MIT
"""Apply a live patch of another tool on a host."""

from pathlib import Path

from lppack import store
from lppack.errors import EnvironmentMissing
from lppack.pipeline.operate import changing_host, open_control
from lppack.proc import Say
from lppack.stages.status import PatchReport


def adopt_module(
    path: Path,
    on: str,
    *,
    timeout: float,
    dry_run: bool,
    say: Say,
    again: bool = False,
    undo_timeout: float | None = None,
    wait: float = 0.0,
) -> PatchReport | None:
    """Apply a live patch of another tool, so that lppack can revert it later.

    Return None for a dry run, unless the patch is in effect already.
    """
    from lppack.stages.adopt import adopt, as_bundle, build_of, refuse_after_crash

    store.refuse_special(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EnvironmentMissing(f"{path} cannot be read: {error.strerror}") from None
    with open_control(on, say=say) as control:
        bundle = as_bundle(control, path, data)
        build = build_of(data) or ""
        if not again:
            refuse_after_crash(control, bundle)
        if dry_run:
            return adopt(control, bundle, path, build=build, load=False)
    intent = {
        "series": bundle.series,
        "module": bundle.module,
        "engine": bundle.engine.value,
        "bundle": path.name,
        "sha256": bundle.module_sha256,
    }
    limits = {"timeout": timeout, "undo_timeout": undo_timeout}
    with (
        store.scratch() as folder,
        changing_host(
            on, f"apply {path.name}", bundle, say=say, intent=intent, wait=wait, **limits
        ) as control,
    ):
        ko = folder / f"{bundle.module}.ko"
        ko.write_bytes(data)
        return adopt(control, bundle, ko, build=build)


def installed_modules(on: str) -> tuple[str, ...]:
    """Return the modules that kpatch has installed on a host for its kernel."""
    from lppack.stages.adopt import installed

    with open_control(on, say=lambda _line: None) as control:
        return installed(control)
