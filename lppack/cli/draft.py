# SPDX-License-Identifier: MIT
"""draft: turn a change of the kernel's sources into a patch folder."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lppack import pipeline
from lppack.cli.options import BUILDER, FORCE
from lppack.cli.output import FORMAT, note, progress, result
from lppack.errors import AnswerIsNo

if TYPE_CHECKING:
    from lppack.drafting.account import Line


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
    help="Folder of the patch; its name becomes the name of the patch.  [default: from the "
    "subject of the diff]",
)
@click.option(
    "--between",
    nargs=2,
    metavar="V1 V2",
    help="Instead of a diff: two versions of Debian's kernel package, for example 6.1.170-3.",
)
@click.option(
    "--path",
    metavar="FILE",
    help="With --between: the file of the kernel's tree to compare. With --function: the "
    "file that defines the function, if several do.",
)
@click.option(
    "--function",
    "functions",
    metavar="F",
    multiple=True,
    help="With --between: take only this function of the file. Without a diff: start from "
    "a copy of this function. Can be repeated.",
)
@FORCE
@BUILDER
@FORMAT
def draft(
    diff: Path | None,
    kernel: str,
    output: Path | None,
    between: tuple[str, str] | None,
    path: str | None,
    functions: tuple[str, ...],
    force: bool,
    builder: str,
    format_: str,
) -> None:
    """Write a patch folder from a unified diff, and prove that it carries the whole diff.

    Compiles each file that the diff can affect, before and after, as the kernel's own build did,
    and compares the object code. The patch replaces the functions that differ. It also gets the
    declarations that these functions need from the sources of that kernel. Then builds the patch.
    With --function and no diff, the patch is a copy of that function, and changes nothing yet. Exit
    code 0: the patch carries the whole diff, and was proved and built. Exit code 9: it does not;
    the report says what is left out, why, and what else can be done. Overwrites only files that an
    earlier draft wrote and that nobody has changed since.

    \b
    Example:
      lppack draft fix.diff --kernel 6.1.0-47-amd64 -o my-patch
    """
    change: Path | pipeline.Between | pipeline.Copy
    if [diff is None, between is None, not functions or between is not None].count(False) != 1:
        raise click.UsageError("give one of these: a diff, --between, or --function")
    if between is not None:
        if path is None:
            raise click.UsageError("--between requires --path")
        change = pipeline.Between(old=between[0], new=between[1], path=path, functions=functions)
    elif diff is not None:
        if path is not None or functions:
            raise click.UsageError("--path requires --between or --function")
        change = diff
    else:
        change = pipeline.Copy(functions=functions, path=path)
    with progress("drafting") as say:
        made = pipeline.make_draft(
            change,
            kernel=kernel,
            folder=output,
            force=force,
            builder=builder,
            say=say,
            on_line=lambda _line: None,
        )
    report = draft_json(made)
    if format_ != "json":
        for line in draft_lines(made):
            click.echo(line)
        note(f"written: {made.folder}")
    if not made.is_done:
        raise AnswerIsNo(_why(made), hint=_way(made), report=report)
    if format_ == "json":
        result(report)


def draft_json(made: "pipeline.Drafted") -> dict[str, Any]:
    draft = made.draft
    return {
        "ok": True,
        "folder": str(made.folder),
        "kernel": draft.release,
        "package": draft.package,
        "complete": made.complete.value,
        "changed": list(draft.changed),
        "objects": [
            {
                "name": object_,
                "functions": [
                    {"name": t.name, "file": t.path, "sympos": t.sympos, "covers": list(t.covers)}
                    for t in draft.targets
                    if t.object == object_
                ],
            }
            for object_ in draft.objects
        ],
        "left_out": _lines(draft.left_out),
        "no_effect": _lines(draft.no_effect),
        "not_checked": list(draft.mismatches),
        "symbols": list(draft.symbols),
        "copied": list(draft.copies),
        "decide": list(draft.decide),
        "built": made.built,
        "why": made.why,
    }


def _lines(lines: "Iterable[Line]") -> list[dict[str, Any]]:
    return [
        {"path": line.path, "line": line.line, "what": line.what, "why": line.why} for line in lines
    ]


def _why(made: "pipeline.Drafted") -> str:
    from lppack.model import Completeness

    said = [f"  {one.path}:{one.line}: {one.what}: {one.why}" for one in made.draft.left_out]
    if made.why is not None:
        said.append(f"  it was not built: {made.why.splitlines()[0] if made.why else ''}")
    if made.complete is Completeness.NOT_CHECKED:
        said = [f"  {line}" for line in made.draft.mismatches]
        return "\n".join([f"{made.folder} is not proved to be complete:", *said])
    return "\n".join([f"{made.folder} is incomplete:", *said])


def _way(made: "pipeline.Drafted") -> str:
    from lppack.model import Completeness

    if made.draft.left_out:
        return "add what is left out by hand, if it is needed; or install the fixed kernel"
    if made.complete is Completeness.NOT_CHECKED:
        return "check each of these by hand: each may hide code that the patch lacks"
    return f"complete {made.folder} by hand: its README.md lists what it lacks"


def draft_lines(made: "pipeline.Drafted") -> Iterator[str]:
    """Yield the report as lines of text."""
    draft = made.draft
    objects = ", ".join(draft.objects) or "no function"
    yield f"{draft.name}: {objects} of {draft.release}, from {draft.package}"
    for target in draft.targets:
        others = [name for name in target.covers if name != target.name]
        also = f", with the code of {', '.join(others)}" if others else ""
        yield f"  replaced  {target.name} of {target.object} ({target.path}){also}"
    if draft.copies:
        yield f"  copied    {', '.join(draft.copies)}"
    if draft.symbols:
        yield f"  symbols   {', '.join(draft.symbols)}"
    for line in draft.decide:
        yield f"  decide    {line}"
    for one in draft.lines:
        if not one.is_carried:
            word = "left out" if one.is_left_out else "no effect"
            yield f"  {word:<9} {one.path}:{one.line}: {one.what}: {one.why}"
    for line in draft.mismatches:
        yield f"  not checked: {line}"
    if made.why is None:
        yield "  built     yes"
    else:
        first, *rest = made.why.splitlines() or [""]
        yield f"  built     no: {first}"
        yield from (f"            {line}" for line in rest[:6])
    if not draft.is_copy:
        yield f"  complete  {made.complete}"
