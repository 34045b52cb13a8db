# SPDX-License-Identifier: MIT
"""The command line: parse, call, print, exit. Only lppack.cli prints and exits."""

import errno
import importlib
import os
import signal
import sys
from types import FrameType

import click

from lppack import __version__
from lppack.cli import log
from lppack.cli.output import show_error
from lppack.errors import Interrupted, LppackError, refused_file

#: The module of lppack.cli that defines each command, in the order in which they are used.
_HOMES = {
    **dict.fromkeys(("doctor", "demo"), "setup"),
    **dict.fromkeys(("new", "schema"), "start"),
    "validate": "validate",
    **dict.fromkeys(("plan", "generate", "inspect"), "author"),
    "build": "build",
    "rebuild": "rebuild",
    **dict.fromkeys(("sign", "verify"), "trust"),
    "package": "package",
    "adopt": "adopt",
    "test": "trial",
    "simulate": "simulate",
    "cost": "cost",
    "facts": "facts",
    "cache": "cache",
    "ids": "ids",
    "draft": "draft",
    **dict.fromkeys(("apply", "convert", "revert", "status", "recover"), "operate"),
    "agent": "agent",
    "rollout": "rollout",
    **dict.fromkeys(("watch", "history"), "history"),
    **dict.fromkeys(("vex", "cves"), "evidence"),
    "guest": "guest",
    "migrate": "migrate",
    **dict.fromkeys(("explain", "completion"), "help"),
}


class _Commands(click.Group):
    """A group that imports a command when it is used, and suggests a name for a misspelt
    command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_HOMES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _HOMES:
            return None
        home = importlib.import_module(f"lppack.cli.{_HOMES[name]}")
        found: click.Command = getattr(home, name)
        log.add_options(found)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            import difflib

            close = difflib.get_close_matches(args[0], _HOMES, n=1)
            if close:
                raise click.UsageError(
                    f'No such command "{args[0]}": did you mean "{close[0]}"?', ctx
                ) from None
            raise


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lppack")
def commands() -> None:
    """Package and apply Linux kernel live patches, in two phases.

    \b
    Example:
      lppack test examples/proc-cmdline
    """


log.add_options(commands)


def _terminated(_number: int, _frame: FrameType | None) -> None:
    """Act as on Ctrl-C, but only once.

    A closed terminal sends SIGHUP twice: from the kernel and from the shell. The first signal
    begins a reversal; only Ctrl-C may stop that reversal.
    """
    for number in _ENDS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


_ENDS = (signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the command line; the exit code says whether a target changed."""
    for number in _ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _terminated)
    try:
        code = _run()
        if sys.stdout is not None:  # closed before the start (>&-)
            sys.stdout.flush()
        return code
    except OSError as error:
        if error.filename:
            return _refused_file(error)
        if error.errno not in _UNWRITABLE:
            raise
        _drop_output()
        if error.errno == errno.EPIPE:  # the reader has exited: act as on SIGPIPE
            return 128 + signal.SIGPIPE
        show_error(
            LppackError(
                f"the output cannot be written: {error.strerror}",
                hint="the command itself may have succeeded: see lppack status",
            ),
            as_json=False,
        )
        return LppackError.exit_code


_UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO)


def _refused_file(error: OSError) -> int:
    """Report a local file that could not be read or written, and return the exit code.

    Raise ``error`` again if it is a bug.
    """
    refused: LppackError | None = refused_file(error)
    if refused is None:
        raise error
    changes = any(_HOMES.get(word) in ("operate", "agent") for word in sys.argv[1:])
    if changes:
        hint = "the target may have been changed: see lppack status"
        refused = LppackError(refused.message, hint=hint)
    show_error(refused, as_json=_as_json())
    return refused.exit_code


def _as_json() -> bool:
    return any(
        word == "--format=json" or (word == "json" and before == "--format")
        for before, word in zip(["", *sys.argv], sys.argv, strict=False)
    )


def _run() -> int:
    as_json = _as_json()
    log.start()
    try:
        code = commands(standalone_mode=False, prog_name="lppack")
        return code if isinstance(code, int) else 0
    except LppackError as error:
        show_error(error, as_json=as_json)
        return error.exit_code
    except ModuleNotFoundError as error:
        from lppack.extras import missing

        lacking = missing(error)
        if lacking is None:
            raise
        show_error(lacking, as_json=as_json)
        return lacking.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        show_error(Interrupted("interrupted: no target was touched"), as_json=as_json)
        return Interrupted.exit_code
    except SystemExit as end:
        # click raises this on EPIPE, after it has replaced stdout by a stream that ignores EPIPE.
        return 128 + signal.SIGPIPE if end.code == 1 else int(end.code or 0)


def _drop_output() -> None:
    """Discard buffered output, because stdout is broken: Python must not try to write it at
    exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
