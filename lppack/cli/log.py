# SPDX-License-Identifier: MIT
"""-v, -q and LPPACK_DEBUG: how much a command prints on stderr beside its result."""

import os
from enum import IntEnum
from typing import Any

import click

#: In the environment: log everything, with times, and where an error was raised.
DEBUG = "LPPACK_DEBUG"


class Loudness(IntEnum):
    QUIET = -1  # errors and warnings alone
    NORMAL = 0  # and progress and hints
    VERBOSE = 1  # and each program that is run


class _State:
    loudness = Loudness.NORMAL


def is_quiet() -> bool:
    return _State.loudness is Loudness.QUIET


def is_debugged() -> bool:
    """Return True where LPPACK_DEBUG is set to anything but nothing and 0."""
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


#: Of every command, before and after its name.
OPTIONS = (
    click.Option(
        ["-v", "--verbose"],
        is_flag=True,
        expose_value=False,
        callback=_chosen,
        help="Also print each program that is run, with its seconds.",
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
    """Give ``command``, and each below it, -v and -q; not where the words are another program's."""
    if command.context_settings.get("ignore_unknown_options"):
        return
    if OPTIONS[0] not in command.params:
        command.params.extend(OPTIONS)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            add_options(below)
