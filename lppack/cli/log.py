# SPDX-License-Identifier: MIT
"""-v, -q and LPPACK_DEBUG: how much a command prints on stderr."""

import os
from enum import IntEnum
from typing import Any

import click

#: Environment variable: log everything with times, and print where an error was raised.
DEBUG = "LPPACK_DEBUG"


class Loudness(IntEnum):
    QUIET = -1  # only errors and warnings
    NORMAL = 0  # also progress and hints
    VERBOSE = 1  # also each program that is run


class _State:
    loudness = Loudness.NORMAL


def is_quiet() -> bool:
    return _State.loudness is Loudness.QUIET


def is_debugged() -> bool:
    """Return True if LPPACK_DEBUG is set, and is neither empty nor 0."""
    return os.environ.get(DEBUG, "0") not in ("", "0")


def start() -> None:
    """Reset the loudness for a new command line; with LPPACK_DEBUG, log everything."""
    _State.loudness = Loudness.NORMAL
    if is_debugged():
        _log(debug=True)


def _log(*, debug: bool) -> None:
    import logging  # late: most commands log nothing

    from lppack.cli.lossy import Lossy

    logger = logging.getLogger("lppack")
    logger.setLevel(logging.DEBUG if debug else logging.INFO)
    logger.propagate = False
    form = "%(relativeCreated)7d ms %(name)s: %(message)s" if debug else "+ %(message)s"
    handler = logging.StreamHandler(Lossy())
    handler.setFormatter(logging.Formatter(form))
    logger.handlers = [handler]


def _chosen(context: click.Context, option: click.Parameter, value: Any) -> None:
    if not value:
        return
    loudness = Loudness.QUIET if option.name == "quiet" else Loudness.VERBOSE
    if _State.loudness not in (Loudness.NORMAL, loudness):
        raise click.UsageError("-v and -q conflict", context)
    _State.loudness = loudness
    if loudness is Loudness.VERBOSE and not is_debugged():
        _log(debug=False)


#: The options that every command takes, before and after its name.
OPTIONS = (
    click.Option(
        ["-v", "--verbose"],
        is_flag=True,
        expose_value=False,
        callback=_chosen,
        help="Also print each program that is run, and how many seconds it took.",
    ),
    click.Option(
        ["-q", "--quiet"],
        is_flag=True,
        expose_value=False,
        callback=_chosen,
        help="Print no progress and no hints: only results, warnings and errors.",
    ),
)


def add_options(command: click.Command) -> None:
    """Add -v and -q to ``command`` and its subcommands, unless its arguments are another
    program's."""
    if command.context_settings.get("ignore_unknown_options"):
        return
    if OPTIONS[0] not in command.params:
        command.params.extend(OPTIONS)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            add_options(below)
