# SPDX-License-Identifier: MIT
"""rebuild: is a bundle what its own sources give?"""

from pathlib import Path

import click

from lppack.cli.output import FORMAT, build_log, note, result
from lppack.errors import AnswerIsNo


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--builder",
    type=click.Choice(["docker", "host"]),
    help="Build with this one; the bundle's own, if not given.",
)
@FORMAT
def rebuild(bundle: Path, builder: str | None, format_: str) -> None:
    """Build a bundle again, as its provenance says, and compare every file (exit code 9).

    Nothing is written. What provenance.json says of the builder may differ, and is printed; a
    signature in a module is left out.

    \b
    Example:
      lppack rebuild proc-cmdline-1_*.lpp
    """
    from lppack.pipeline.rebuild import rebuild as again

    with build_log(f"building {bundle.name} again") as on_line:
        found = again(bundle, builder=builder, on_line=on_line)
    report = {
        "ok": not found.wrong,
        "patch": found.patch,
        "version": found.version,
        "kernel": found.kernel,
        "identical": found.identical,
        "different": list(found.wrong),
        "provenance": list(found.otherwise),
    }
    if format_ != "json":
        for line in found.otherwise:
            note(f"provenance: {line}")
    if found.wrong:
        raise AnswerIsNo(
            f"{bundle} differs from what its sources give: {', '.join(found.wrong)}",
            hint="compare the compilers in its provenance with what is used here: lppack inspect",
            report=report,
        )
    if format_ == "json":
        result(report)
    else:
        how = "every byte" if found.identical else "every file but provenance.json"
        click.echo(f"{found.patch} {found.version} for {found.kernel}: the same, {how}")
