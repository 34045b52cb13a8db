# SPDX-License-Identifier: MIT
"""Commands for authors of patches: plan, generate, inspect."""

from pathlib import Path
from typing import Any

import click

from lppack import pipeline
from lppack.cli.options import (
    CHECKED_KERNEL,
    DEEP,
    ENGINE,
    FORCE,
    KERNEL,
    MODE,
    PATCH,
)
from lppack.cli.output import FORMAT, note, problem_json, result, table, warn
from lppack.errors import AnswerIsNo
from lppack.model import Plan


def show_warnings(made: Plan) -> None:
    """Print the warnings of validate, in case the author has not run it."""
    for warning in made.warnings:
        warn(str(warning))


@click.command()
@PATCH
@KERNEL
@ENGINE
@MODE
@DEEP
@FORMAT
def plan(
    patch: Path, kernel: str | None, engine: str, mode: str | None, deep: bool, format_: str
) -> None:
    """Print every decision for a patch and a kernel, each with its reason.

    \b
    Example:
      lppack plan examples/conn-limit
    """
    made = pipeline.make_plan(
        patch, kernel=kernel, engine=engine, mode=mode, deep=note if deep else None
    )
    if format_ == "json":
        result(plan_json(made))
        return
    show_warnings(made)
    table([(item.what, item.value, item.why) for item in made.decisions])


def plan_json(made: Plan) -> dict[str, Any]:
    needs, mode = made.manifest.needs, made.mode
    return {
        "ok": True,
        "name": made.name,
        "version": made.version,
        "module": made.module,
        "kernel": made.kernel.release,
        "mode": mode.name.value,
        "method": mode.method,
        "engine": made.engine.value,
        "needs": {
            "leave": needs.leave.name,
            "switch": needs.switch.name,
            "transform": needs.transform.name,
        },
        "provides": {
            "user": f"{mode.leave.name} {mode.switch.name}",
            "kthread": f"{mode.kthread.name} {mode.switch.name}",
        },
        "irreversible": bool(made.manifest.irreversible),
        "decisions": [
            {"what": item.what, "value": item.value, "why": item.why} for item in made.decisions
        ],
        "warnings": [problem_json(warning) for warning in made.warnings],
    }


@click.command()
@PATCH
@KERNEL
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the sources; created if it is missing.",
)
@FORCE
def generate(patch: Path, kernel: str | None, output: Path, force: bool) -> None:
    """Write the sources that kbuild compiles.

    Overwrites only files that lppack wrote and that nobody has changed since.

    \b
    Example:
      lppack generate examples/proc-cmdline -o sources
    """
    tree = pipeline.make_tree(pipeline.make_plan(patch, kernel=kernel))
    pipeline.write_tree(tree, output, force=force)
    for name in sorted([name for name, _ in tree.files] + [name for name, _ in tree.copies]):
        click.echo(str(output / name))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@CHECKED_KERNEL
@FORMAT
def inspect(file: Path, kernel: str | None, format_: str) -> None:
    """Show what is in a bundle or a module, and any problem found (exit code 9).

    Reads any module, also one that another tool built. With --kernel, compares the module's imports
    and livepatch symbols with the symbols of that kernel.

    \b
    Example:
      lppack inspect proc-cmdline-1_*.lpp
      lppack inspect livepatch-fix.ko --kernel 6.1.0-56-amd64
    """
    found = pipeline.inspect_file(file, kernel)
    report = {
        "ok": not found.faults,
        "path": str(file),
        "facts": dict(found.facts),
        "files": [{"name": name, "size": size} for name, size in found.files],
        "faults": list(found.faults),
    }
    if format_ == "json" and not found.faults:
        result(report)
    elif format_ != "json":
        table([*found.facts, *((name, f"{size} bytes") for name, size in found.files)])
    if found.faults:
        raise AnswerIsNo("\n".join(f"{file}: {fault}" for fault in found.faults), report=report)
