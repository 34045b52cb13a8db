# SPDX-License-Identifier: MIT
"""migrate: move a running program to another kernel, with CRIU and kexec."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lppack import pipeline
from lppack.cli.options import BUILDER, WHICH, Finite
from lppack.cli.output import FORMAT, progress, result, table
from lppack.errors import AnswerIsNo

if TYPE_CHECKING:
    from lppack.stages.migrate import Migrated


@click.command()
@click.argument("program", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1)
@click.option("--kernel", metavar="REL", help=f"{WHICH}.  [default: the newest of Debian 12]")
@click.option("--to", metavar="REL", required=True, help="The kernel to move to, in the same form.")
@click.option(
    "--settle",
    metavar="S",
    type=Finite(min=0.1, max=3600),
    default=2.0,
    show_default=True,
    help="Seconds for which the program runs before it is frozen.",
)
@click.option("--dry-run", is_flag=True, help="Print the steps, and boot nothing.")
@BUILDER
@FORMAT
def migrate(
    program: Path,
    arguments: tuple[str, ...],
    kernel: str | None,
    to: str,
    settle: float,
    dry_run: bool,
    builder: str,
    format_: str,
) -> None:
    """Move a running program to another kernel, in a private guest, without a live patch.

    CRIU of Debian saves the process tree, kexec starts the other kernel, and CRIU restores the
    tree. Prints how long the program stood still, and which of its processes, threads and files are
    restored; exit code 9 if one is missing, or a periodic timerfd does not expire any more. PROGRAM
    must be statically linked. What survives, and what does not: docs/criu-kexec.md.

    \b
    Example:
      lppack migrate ./service --to '6.12.*+deb13-amd64' --dry-run
    """
    plan = pipeline.plan_migration(program, kernel, to)
    if dry_run:
        steps = {"old": plan.old.release, "new": plan.new.release, "steps": dict(plan.steps)}
        if format_ == "json":
            result({"ok": True, **steps})
        else:
            table([(f"{name}:", what) for name, what in plan.steps])
        return
    with progress(f"migrating {program}") as tell:
        made = pipeline.run_migration(
            plan, arguments=arguments, settle=settle, builder=builder, say=tell
        )
    told = migrated_json(made)
    if format_ != "json":
        _show(made)
    elif not made.lost:
        result({"ok": True, **told})
    if made.lost:
        raise AnswerIsNo(
            f"{program} runs in {made.release}, but lost: {', '.join(made.lost[:8])}",
            hint="what survives: docs/criu-kexec.md",
            report=told,
        )


def _show(made: "Migrated") -> None:
    table([(f"{name}:", f"{value:.2f} s") for name, value in made.seconds.items()])
    click.echo(
        f"{made.release}: {len(made.after.processes)} of {len(made.before.processes)} processes, "
        f"{len(made.after.threads)} of {len(made.before.threads)} threads, "
        f"{len(made.after.files)} of {len(made.before.files)} file descriptors"
    )
    click.echo(
        f"the program stood still for {made.pause:.2f} s; size of the images: "
        f"{made.image_bytes >> 10} KiB"
    )


def migrated_json(made: "Migrated") -> dict[str, Any]:
    return {
        "new": made.release,
        "pause": made.pause,
        "seconds": made.seconds,
        "image_bytes": made.image_bytes,
        "lost": list(made.lost),
        "processes": list(made.after.processes),
        "threads": list(made.after.threads),
        "files": list(made.after.files),
    }
