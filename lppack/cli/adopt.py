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
    help="Apply the module although the machine went down while it was being applied, or "
    "just after.",
)
@click.option("--dry-run", is_flag=True, help="Run every check, and load nothing.")
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
    """Apply a module of kpatch-build or klp-build, with the checks of apply; to undo: revert.

    If the same build is live already, it stays as it is, and lppack can revert it from then on.
    lppack refuses a module if the machine went down while it was being applied, or within a minute
    after.

    Without MODULE, list the modules that kpatch has installed for the host's kernel.

    \b
    Example:
      lppack adopt /var/lib/kpatch/6.1.0-57-amd64/kpatch-fix.ko
    """
    if module is None:
        found = pipeline.installed_modules(on)
        if format_ == "json":
            result({"ok": True, "modules": list(found)})
        else:
            click.echo("\n".join(found) or f"kpatch has installed no module for the kernel of {on}")
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
