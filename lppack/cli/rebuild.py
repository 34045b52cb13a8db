# SPDX-License-Identifier: MIT
"""rebuild: check that the sources in a bundle build the same bundle."""

from pathlib import Path

import click

from lppack.cli.output import FORMAT, build_log, note, result
from lppack.errors import AnswerIsNo


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--builder",
    type=click.Choice(["docker", "host"]),
    help="Builder to use.  [default: the builder of the bundle]",
)
@FORMAT
def rebuild(bundle: Path, builder: str | None, format_: str) -> None:
    """Build a bundle again from its own sources; exit code 9 if a file differs.

    Writes nothing. The builder in provenance.json may differ; the difference is printed. The
    signature of a module is not compared.

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
            f"{bundle} is not what its sources build: these files differ: {', '.join(found.wrong)}",
            hint="lppack inspect shows the compiler in its provenance: compare it with the "
            "compiler used here",
            report=report,
        )
    if format_ == "json":
        result(report)
    else:
        how = "every byte" if found.identical else "every file but provenance.json"
        click.echo(f"{found.patch} {found.version} for {found.kernel}: the same, {how}")
