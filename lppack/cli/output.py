# SPDX-License-Identifier: MIT
"""How commands speak: results on stdout, progress and errors on stderr."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click

from lppack.errors import LppackError, ManifestError, Problem

FORMAT = click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    help="json: one object on stdout.",
)


def result(value: Mapping[str, Any]) -> None:
    """The one JSON object of a command."""
    click.echo(json.dumps(value, indent=2))


def note(line: str) -> None:
    """A line of progress."""
    click.echo(line, err=True)


def problem_json(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "level": problem.level.value,
        "rule": problem.rule,
        "message": problem.message,
        "hint": problem.hint,
    }


def error_json(error: LppackError) -> dict[str, Any]:
    """An error as every command prints it, with what it would have reported, if there is that."""
    return {
        **(error.report or {}),
        "ok": False,
        "error": {
            "code": error.exit_code,
            "kind": error.kind,
            "message": error.message,
            "hint": error.hint,
            "file": error.file,
            "line": error.line,
        },
    }


def show_error(error: LppackError, *, as_json: bool) -> None:
    """What went wrong and a way out, on stderr; as JSON on stdout where that was asked for."""
    if as_json:
        result(error_json(error))
        return
    if isinstance(error, ManifestError):
        for problem in error.problems:
            click.echo(str(problem), err=True)
        return
    click.echo(f"lppack: {error.message}", err=True)
    if error.hint:
        click.echo(f"  hint: {error.hint}", err=True)


@contextlib.contextmanager
def progress(title: str) -> Iterator[Callable[[str], None]]:
    """Gives a function that tells a step: a moving line on a terminal, plain lines otherwise."""
    if not sys.stderr.isatty():
        yield note
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    with console.status(title) as status:

        def tell(line: str) -> None:
            console.print(line, markup=False)
            status.update(title)

        yield tell


@contextlib.contextmanager
def build_log(title: str) -> Iterator[Callable[[str], None]]:
    """Gives a function for the lines of a build: the newest one on a terminal, all otherwise."""
    if not sys.stderr.isatty():
        yield lambda line: note(f"  | {line}")
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True, highlight=False).status(title) as status:
        yield lambda line: status.update(f"{escape(title)} {escape(line[:100])}")


def table(rows: list[tuple[str, ...]]) -> None:
    """Columns, as wide as they need to be; the last is not padded."""
    if not rows:
        return
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[-1]]).rstrip())
