# SPDX-License-Identifier: MIT
"""The verb adopt: live patches that another tool built."""

from pathlib import Path

import click

from lppack import pipeline
from lppack.cli.options import ON_WITH_HISTORY, TIMEOUT, UNDO_TIMEOUT, WAIT
from lppack.cli.output import FORMAT, progress, result
from lppack.cli.patches import show


@click.command()
@click.argument("module", required=False, type=click.Path(path_type=Path))
@ON_WITH_HISTORY
@TIMEOUT
@UNDO_TIMEOUT
@WAIT
@click.option(
    "--again",
    is_flag=True,
    help="Also if the machine went down while this module was being applied, or just after it.",
)
@click.option("--dry-run", is_flag=True, help="Check all that can be checked, and load nothing.")
@FORMAT
def adopt(
    module: Path | None,
    on: str,
    timeout: float,
    undo_timeout: float | None,
    wait: float,
    again: bool,
    dry_run: bool,
    format_: str,
) -> None:
    """Apply a module of kpatch-build or klp-build with the checks of apply; revert undoes it.

    If the very same build is live already, it is left as it is, and lppack can revert it from
    then on. One with which the machine went down, or crashed within a minute after it was live,
    is not tried again.

    Without MODULE, list what kpatch has installed on the host for its kernel.

    \b
    Example:
      lppack adopt /var/lib/kpatch/6.1.0-57-amd64/kpatch-fix.ko
    """
    if module is None:
        found = pipeline.installed_modules(on)
        if format_ == "json":
            result({"ok": True, "modules": list(found)})
        else:
            click.echo("\n".join(found) or f"kpatch has installed nothing for the kernel of {on}")
        return
    with progress(f"adopting {module}") as tell:
        report = pipeline.adopt_module(
            *(module, on),
            timeout=timeout,
            undo_timeout=undo_timeout,
            again=again,
            dry_run=dry_run,
            wait=wait,
            say=tell,
        )
    patches = (report,) if report else ()
    changed = any(patch.changed for patch in patches)
    show(patches, format_, empty=f"{module} would be applied to {on}", more={"changed": changed})
