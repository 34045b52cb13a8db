# SPDX-License-Identifier: MIT
"""explain: one page for a rule, a flag, a mode, an exit code; and shell completion."""

import difflib
import inspect
import textwrap
from collections.abc import Iterable

import click

from lppack import consistency, errors, pipeline
from lppack.cli.pages import CODES, FLAGS
from lppack.errors import EnvironmentMissing


def _pages() -> dict[str, str]:
    return {name: page for pages in _groups().values() for name, page in pages.items()}


def _groups() -> dict[str, dict[str, str]]:
    """Return the pages, grouped by topic."""
    codes = {
        code: f"{code}: a step or invariant of lppack simulate\n\n{textwrap.fill(text, 78)}\n\n"
        "Details: docs/semantics.md, sections 1.2 to 1.5."
        for code, text in CODES.items()
    }
    verdicts = {
        verdict: f"{verdict}: a verdict of lppack simulate\n\n{text}"
        for verdict, text in pipeline.verdict_pages().items()
    }
    return {
        "what a patch needs": _flags(),
        "modes": {mode.name.value: _mode(mode) for mode in consistency.MODES},
        "exit codes": _exit_codes(),
        "verdicts of simulate": verdicts,
        "steps and invariants of simulate": codes,
        "rules": dict(sorted(pipeline.rule_pages().items())),
    }


def _flags() -> dict[str, str]:
    pages: dict[str, str] = {}
    for axis in (consistency.Leave, consistency.Switch, consistency.Transform):
        for flag in axis:
            if flag.name != "NONE":
                pages[flag.name] = f"{flag.name}\n\n{FLAGS[flag.name]}"
        pages[axis.__name__.upper()] = (
            f"{axis.__name__.upper()}\n\n{inspect.getdoc(axis)}\n"
            + "\n".join(f"  {flag.name}" for flag in axis if flag.name != "NONE")
        )
    return pages


def _exit_codes() -> dict[str, str]:
    pages = {"0": "exit code 0\n\nThe command did what was requested."}
    for error in _errors():
        pages[str(error.exit_code)] = (
            f"exit code {error.exit_code}: {error.kind}\n\n{inspect.getdoc(error)}"
        )
    pages["2"] = "exit code 2: usage\n\nThe command line is wrong. Nothing was done."
    pages["124"] = (
        "exit code 124\n\nOnly from lppack guest shell: the command took longer than "
        "--limit\nand was stopped. Otherwise lppack guest shell has the exit code of its command."
    )
    pages["141"] = (
        "exit code 141\n\nThe reader of stdout closed it before the whole result was "
        "written (128 and SIGPIPE). apply, convert and revert were complete by then."
    )
    return dict(sorted(pages.items(), key=lambda page: int(page[0])))


def _errors() -> tuple[type[errors.LppackError], ...]:
    return (
        errors.LppackError,
        errors.ManifestError,
        errors.EnvironmentMissing,
        errors.BuildFailed,
        errors.ApplyRefused,
        errors.ApplyReversed,
        errors.ApplyStuck,
        errors.AnswerIsNo,
        errors.NotConverted,
        errors.Interrupted,
    )


def _listed(names: Iterable[str]) -> str:
    return textwrap.fill(
        ", ".join(names), 78, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )


def _mode(mode: consistency.Mode) -> str:
    have = [name.value for name in consistency.engines_of(mode)]
    engines = ", ".join(name.value for name in mode.engines)
    return (
        f"mode {mode.name.value}: {mode.leave.name} {mode.switch.name}\n\n"
        f"{mode.summary}.\nKernel threads: {mode.kthread.name}.\nEngines: {engines}; "
        f"engines in this version of lppack: {', '.join(have) or 'none of them'}."
    )


@click.command()
@click.argument("name", required=False)
def explain(name: str | None) -> None:
    """Explain a rule, a flag, a mode, an exit code or a term of simulate.

    Without NAME, list all pages.

    \b
    Example:
      lppack explain no-function-twice
    """
    if name is None:
        for title, group in _groups().items():
            click.echo(f"{title}:\n{_listed(group)}\n")
        return
    pages = _pages()
    page = pages.get(name)
    if page is None:
        from lppack.cli.main import commands

        if name in commands.list_commands(click.get_current_context()):
            raise EnvironmentMissing(
                f'there is no page "{name}": it is a command', hint=f"lppack {name} --help"
            )
        close = difflib.get_close_matches(name, pages, n=3)
        meant = f"did you mean {' or '.join(close)}? " if close else ""
        raise EnvironmentMissing(
            f'there is no page "{name}"', hint=f"{meant}all pages: lppack explain"
        )
    click.echo(textwrap.dedent(page))


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Example:
      lppack completion bash
    """
    from click.shell_completion import get_completion_class

    from lppack.cli.main import commands

    made = get_completion_class(shell)
    assert made is not None  # click has these three
    click.echo(made(commands, {}, "lppack", "_LPPACK_COMPLETE").source())
