# SPDX-License-Identifier: MIT
"""explain: one page for a rule, a flag, a mode, an exit code; and shell completion."""

import difflib
import inspect
import textwrap
from collections.abc import Iterable

import click

from lppack import abi, consistency, errors
from lppack.errors import EnvironmentMissing
from lppack.rules.every import every


def _pages() -> dict[str, str]:
    pages: dict[str, str] = {}
    for entry in every():
        pages[entry.id] = f"{entry.id} ({entry.level}; asked {entry.asked})\n\n{entry.page}"
    for axis in (consistency.Leave, consistency.Switch, consistency.Transform):
        for flag in axis:
            if flag.name != "NONE":
                pages[flag.name] = f"{flag.name}\n\n{_flag(flag)}"
        pages[axis.__name__.upper()] = (
            f"{axis.__name__.upper()}\n\n{inspect.getdoc(axis)}\n"
            + "\n".join(f"  {flag.name}" for flag in axis if flag.name != "NONE")
        )
    for mode in consistency.MODES:
        pages[mode.name.value] = _mode(mode)
    for error in _errors():
        pages[str(error.exit_code)] = (
            f"exit code {error.exit_code}: {error.kind}\n\n{inspect.getdoc(error)}"
        )
    for verdict, text in _VERDICTS.items():
        pages[verdict] = f"{verdict}: a verdict of lppack simulate\n\n{text}"
    pages["0"] = "exit code 0\n\nAs asked."
    pages["2"] = "exit code 2: usage\n\nThe command line is wrong. Nothing was done."
    pages["141"] = (
        "exit code 141\n\nThe reader of the result has gone before its end (128 and SIGPIPE). "
        "apply, convert and revert had come to their end."
    )
    return pages


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


_FLAGS = {
    "LEAVE_FUNCTION": "A thread need have left nothing: each next call is the new function.",
    "LEAVE_PATCHED_SET": "A thread switches when no function of the patch is on its stack.",
    "LEAVE_KERNEL": "A thread switches at the border to user space. Kernel threads have none.",
    "SWITCH_FUNCTION": "Each function flips by itself.",
    "SWITCH_THREAD": "Each thread flips by itself; old and new functions run at once.",
    "SWITCH_KERNEL": "The whole kernel flips at one instant; old and new never run at once.",
    "TRANSFORM_ON_ACCESS": "New code reads both forms of data, and in phase 2 converts what it "
    "touches. It is tracked, so that revert can reverse it.",
    "TRANSFORM_WORLD": "All data is transformed in the very stop that flips the kernel.",
}


def _listed(names: Iterable[str]) -> str:
    return textwrap.fill(", ".join(names), 78, initial_indent="  ", subsequent_indent="  ")


_VERDICTS = {
    "safe": "Nothing that the needs forbid can be reached, and the transition ends if every visit\n"
    "to a replaced function does. What is assumed for that is printed first.",
    "may-stall": "Nothing forbidden can be reached, but the transition need not end: a thread may\n"
    "sleep in a replaced function for as long as it likes. Known of the kernel are\n"
    f"{_listed(abi.SLEPT_IN)}\nOthers are declared: workload: sleeps. A signal gets such a thread "
    "out, and the\nengines send one. Of --sample: it may go either way within the timeout, or "
    "too\nlittle was watched to tell.",
    "never-finishes": "A replaced function is never left by some thread:\n"
    f"{_listed(abi.NEVER_LEFT)}\nReplace what it calls instead. Of --sample: at least 19 of 20 "
    "transitions do not end\nwithin the timeout, and an even chance that they do is outside the "
    "interval.\nExit code 9.",
    "unsafe": "Something that the needs forbid can be reached; the shortest run to it is printed.\n"
    "Exit code 9.",
    "finishes": "Of --sample: at least 19 of 20 transitions end within the timeout, and an\n"
    "even chance that they do not is outside the interval.",
}


def _flag(flag: consistency.Leave | consistency.Switch | consistency.Transform) -> str:
    return _FLAGS[flag.name]


def _mode(mode: consistency.Mode) -> str:
    have = [name.value for name in consistency.engines_of(mode)]
    engines = ", ".join(name.value for name in mode.engines)
    return (
        f"mode {mode.name.value}: {mode.leave.name} {mode.switch.name}\n\n"
        f"{mode.summary}.\nKernel threads: {mode.kthread.name}.\nEngines: {engines}; "
        f"this version of lppack has {', '.join(have) or 'none of them'}."
    )


@click.command()
@click.argument("name")
def explain(name: str) -> None:
    """Print one page on a rule, a flag, a mode, an exit code or a verdict of simulate.

    \b
    Example:
      lppack explain no-function-twice
    """
    pages = _pages()
    page = pages.get(name)
    if page is None:
        from lppack.cli.main import commands

        if name in commands.list_commands(click.get_current_context()):
            raise EnvironmentMissing(
                f'there is no page "{name}": it is a command', hint=f"lppack {name} --help"
            )
        close = difflib.get_close_matches(name, pages, n=1)
        raise EnvironmentMissing(
            f'there is no page "{name}"',
            hint=f'did you mean "{close[0]}"?' if close else f"pages: {', '.join(pages)}",
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
