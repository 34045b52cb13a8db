# SPDX-License-Identifier: MIT
"""Output of commands: results on stdout, progress and errors on stderr."""

import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, cast

import click

from lppack.cli.log import is_debugged, is_quiet
from lppack.cli.lossy import Lossy
from lppack.errors import WARNING, BuildFailed, LppackError, ManifestError, Problem

if TYPE_CHECKING:
    from rich.console import Console

FORMAT = click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    help="json: one object on stdout.",
)


def result(value: Mapping[str, Any]) -> None:
    """Print the one JSON object of a command."""
    import json

    click.echo(json.dumps(value, indent=2))


#: Seconds that a line of progress waits for a stopped reader (Ctrl-S, a full pipe).
_PATIENCE = 1.0


def _lossy(patience: float | None = None) -> IO[str]:
    return cast("IO[str]", Lossy(patience))


def _plain(line: str) -> str:
    """Return ``line`` without control characters: it may name what a host or a file has said."""
    from lppack.shape import printable

    return printable(line)


def note(line: str) -> None:
    """Print a line of progress or a hint on stderr, unless -q is given."""
    if not is_quiet():
        warn(line)


def warn(line: str) -> None:
    """Print a warning or an error on stderr; drop the line if stderr cannot be written."""
    click.echo(_plain(line), file=_lossy())


def outlive_the_terminal() -> None:
    """Ignore a closed terminal: for a command that must not stop half-way."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


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
    """Return an error as JSON: its fields, and the partial result of the command, if there is
    one."""
    return {
        **(error.report or {}),
        "ok": False,
        "error": {
            "code": error.exit_code,
            "kind": error.kind,
            "reason": error.reason,
            "message": error.message,
            "hint": error.hint,
            "file": error.file,
            "line": error.line,
        },
    }


def show_error(error: LppackError, *, as_json: bool) -> None:
    """Print an error and its hint on stderr; with ``as_json``, print JSON on stdout."""
    if is_debugged():
        import traceback

        warn("".join(traceback.format_exception(error)).rstrip())
    if as_json:
        result(error_json(error))
        return
    if isinstance(error, ManifestError):
        for problem in error.problems:
            warn(str(problem))
        return
    warn(f"lppack: {error.message}")
    if error.hint:
        warn(f"  hint: {error.hint}")


@contextlib.contextmanager
def progress(title: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that prints a step: a moving line on a terminal, plain lines otherwise.

    Printing never fails, and takes at most a second. With -q only warnings are printed.
    """
    stream = _lossy(_PATIENCE)
    if is_quiet():
        yield (
            lambda line: click.echo(_plain(line), file=stream) if line.startswith(WARNING) else None
        )
        return
    if not stream.isatty() or not _has_rich():
        yield lambda line: click.echo(_plain(line), file=stream)
        return
    from rich.console import Console

    console = Console(file=stream, highlight=False)
    with console.status(title) as status:

        def tell(line: str) -> None:
            console.print(_plain(line), markup=False)
            status.update(title)

        yield tell


def _has_rich() -> bool:
    from importlib.util import find_spec

    return find_spec("rich") is not None


def live_console() -> "Console | None":
    """Return a console for a live table; None if stderr is no terminal."""
    stream = _lossy(_PATIENCE)
    if is_quiet() or not stream.isatty() or not _has_rich():
        return None
    from rich.console import Console

    return Console(file=stream, highlight=False)


@contextlib.contextmanager
def build_log(title: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that takes the lines of a build.

    A terminal shows the newest line. Otherwise all lines are printed, and only if the build fails.
    """
    if is_quiet() or not _lossy().isatty():
        lines: list[str] = []
        try:
            yield lines.append
        except BuildFailed:
            for line in lines:
                warn(f"  | {line}")
            raise
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(file=_lossy(), highlight=False).status(title) as status:
        yield lambda line: status.update(f"{escape(title)} {escape(line[:100])}")


def table(rows: list[tuple[str, ...]]) -> None:
    """Print rows as columns; the last column is not padded."""
    if not rows:
        return
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo(_plain("  ".join([*cells, row[-1]]).rstrip()))
