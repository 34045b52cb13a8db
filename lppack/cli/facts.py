# SPDX-License-Identifier: MIT
"""facts: what a kernel's files say about functions, and whether they can be replaced."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from lppack import pipeline
from lppack.cli.options import DEEP
from lppack.cli.output import FORMAT, note, result
from lppack.errors import AnswerIsNo

if TYPE_CHECKING:
    from lppack.kernel.query import Answer


@click.command()
@click.argument("functions", nargs=-1, required=True, metavar="FUNCTION...")
@click.option(
    "--kernel",
    required=True,
    metavar="REL",
    help="A release or a pattern of releases, a folder with an unpacked kernel package, "
    "or `running`.",
)
@click.option(
    "--object",
    "object_",
    metavar="O",
    default="vmlinux",
    show_default=True,
    help="vmlinux, a module of that kernel, or the path of any .ko.",
)
@DEEP
@FORMAT
def facts(functions: tuple[str, ...], kernel: str, object_: str, deep: bool, format_: str) -> int:
    """Show what a kernel's files say about functions; exit code 9 unless all can be replaced.

    \b
    Example:
      lppack facts cmdline_proc_show --kernel '6.1.0-*-amd64'
    """
    release, answers = pipeline.ask_kernel(kernel, functions, object_, deep=note if deep else None)
    ok = all(answer.verdict == "patchable" for answer in answers)
    if format_ == "json":
        shown = [answer_json(answer) for answer in answers]
        result({"ok": ok, "kernel": release, "functions": shown})
    else:
        for answer in answers:
            for line in answer_lines(answer):
                click.echo(line)
    return 0 if ok else AnswerIsNo.exit_code


def answer_json(answer: "Answer") -> dict[str, Any]:
    return {
        "name": answer.name,
        "object": answer.object,
        "verdict": answer.verdict.value,
        "copies": [
            {
                "sympos": copy.sympos,
                "address": f"{copy.address:#x}",
                "traceable": copy.traceable,
                "init": copy.init,
                "file": file,
            }
            for copy, file in zip(answer.copies, answer.files, strict=True)
        ],
        "prototype": answer.prototype,
        "inlining": answer.inlining.value,
        "inlined_into": sorted({holder.name for holder in answer.inlined_into}),
        "hint": answer.hint,
    }


def answer_lines(answer: "Answer") -> Iterator[str]:
    """Yield the answer as text lines."""
    yield f"{answer.name} in {answer.object}: {answer.verdict.value}"
    if answer.prototype:
        yield f"  {answer.prototype}"
    for copy, file in zip(answer.copies, answer.files, strict=True):
        state = "init" if copy.init else "traceable" if copy.traceable else "not traceable"
        yield f"  sympos {copy.sympos} at {copy.address:#x}, {state}{f', {file}' if file else ''}"
    if answer.copies or answer.inlined_into:
        yield f"  inlining into callers: {answer.inlining}"
    for hint in (answer.hint or "").split("; "):
        if hint:
            yield f"  hint: {hint}"
