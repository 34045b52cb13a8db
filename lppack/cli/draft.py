# SPDX-License-Identifier: MIT
"""draft: from a change of the kernel's sources to a patch folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from lppack import pipeline
from lppack.cli.options import BUILDER
from lppack.cli.output import FORMAT, note, progress, result


@click.command()
@click.argument("diff", required=False, type=click.Path(path_type=Path))
@click.option(
    "--kernel",
    required=True,
    metavar="REL",
    help="A release, or a folder with an unpacked kernel package, or `running`.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the patch, which gets its name; after the diff's subject, if not given.",
)
@click.option(
    "--between",
    nargs=2,
    metavar="V1 V2",
    help="Instead of a diff: two versions of Debian's kernel package, as 6.1.170-3.",
)
@click.option("--path", metavar="FILE", help="With --between: the file in the kernel's tree.")
@click.option(
    "--function",
    "functions",
    metavar="F",
    multiple=True,
    help="With --between: only this function of the file. May be given again.",
)
@BUILDER
@FORMAT
def draft(
    diff: Path | None,
    kernel: str,
    output: Path | None,
    between: tuple[str, str] | None,
    path: str | None,
    functions: tuple[str, ...],
    builder: str,
    format_: str,
) -> None:
    """Write a patch folder from a unified diff, and say what a person must still decide.

    It finds the functions to replace, takes them and what they need from the sources of the very
    kernel, and tries to build it. Exit code 9: this diff is not a live patch; why, and what else
    could be done.

    \b
    Example:
      lppack draft fix.diff --kernel 6.1.0-47-amd64 -o my-patch
    """
    change: Path | pipeline.Between
    if (diff is None) == (between is None):
        raise click.UsageError("give either a diff or --between")
    if between is not None:
        if path is None:
            raise click.UsageError("--between goes with --path")
        change = pipeline.Between(old=between[0], new=between[1], path=path, functions=functions)
    elif diff is not None:
        if path is not None or functions:
            raise click.UsageError("--path and --function go with --between")
        change = diff
    with progress("drafting") as tell:
        made = pipeline.make_draft(
            change,
            kernel=kernel,
            folder=output,
            builder=builder,
            say=tell,
            on_line=lambda _line: None,
        )
    if format_ == "json":
        result(draft_json(made))
        return
    for line in draft_lines(made):
        click.echo(line)
    note(f"written: {made.folder}")


def draft_json(made: pipeline.Drafted) -> dict[str, Any]:
    draft = made.draft
    return {
        "ok": True,
        "folder": str(made.folder),
        "kernel": draft.release,
        "package": draft.package,
        "object": draft.object,
        "changed": list(draft.changed),
        "functions": [
            {"name": t.name, "path": t.path, "sympos": t.sympos, "carries": list(t.carries)}
            for t in draft.targets
        ],
        "symbols": list(draft.symbols),
        "copied": list(draft.copies),
        "decide": list(draft.decide),
        "cannot": [{"what": c.what, "why": c.why, "way": c.way} for c in draft.cannot],
        "built": made.built,
        "why": made.why,
    }


def draft_lines(made: pipeline.Drafted) -> Iterator[str]:
    """The same for people."""
    draft = made.draft
    yield f"{draft.name}: {draft.object} of {draft.release}, from {draft.package}"
    for target in draft.targets:
        others = [name for name in target.carries if name != target.name]
        also = f", with the code of {', '.join(others)}" if others else ""
        yield f"  replaced  {target.name} ({target.path}){also}"
    if draft.copies:
        yield f"  copied    {', '.join(draft.copies)}"
    if draft.symbols:
        yield f"  symbols   {', '.join(draft.symbols)}"
    for line in draft.decide:
        yield f"  decide    {line}"
    for one in draft.cannot:
        yield f"  cannot    {one.what}: {one.why}; instead: {one.way}"
    if made.why is None:
        yield "  built     yes"
    else:
        first, *rest = made.why.splitlines() or [""]
        yield f"  built     no: {first}"
        yield from (f"            {line}" for line in rest[:6])
