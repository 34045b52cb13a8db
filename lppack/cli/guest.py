# SPDX-License-Identifier: MIT
"""guest: kernels in QEMU that outlive a command."""

import sys
from collections.abc import Iterator
from typing import TextIO

import click

from lppack import pipeline
from lppack.cli.options import BUILDER, GUEST_KERNEL, Finite
from lppack.cli.output import FORMAT, progress, result, table, warn

_NAME = click.argument("name")


@click.group()
def guest() -> None:
    """Start, stop and inspect guests that keep running after a command.

    \b
    Example:
      lppack guest list
    """


@guest.command()
@_NAME
@GUEST_KERNEL
@BUILDER
@click.option("--target", "targets", metavar="PATCH", multiple=True, help="Also load its targets.")
@click.option("--boot", "words", metavar="WORD", multiple=True, help="For its kernel command line.")
def start(
    name: str, kernel: str | None, builder: str, targets: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """Boot a guest that keeps running; commands act on it with --on guest:NAME.

    \b
    Example:
      lppack guest start demo
    """
    with progress(f"starting guest {name}") as tell:
        pipeline.start_guest(name, kernel=kernel, builder=builder, targets=targets, words=words)
        tell(f"guest {name} is up; reach it with --on guest:{name}")


@guest.command()
@_NAME
def stop(name: str) -> None:
    """Stop a guest; what was applied in it is gone.

    \b
    Example:
      lppack guest stop demo
    """
    pipeline.stop_guest(name)


@guest.command("list")
@FORMAT
def list_(format_: str) -> None:
    """List the running guests, each with its console file.

    \b
    Example:
      lppack guest list --format json
    """
    found = pipeline.list_guests()
    if format_ == "json":
        result(
            {
                "ok": True,
                "guests": [
                    {
                        "name": item.name,
                        "kernel": item.release,
                        "pid": item.pid,
                        "alive": item.alive,
                        "console": str(item.console),
                    }
                    for item in found
                ],
            }
        )
        return
    if not found:
        click.echo("no guest runs")
    table(
        [
            (g.name, g.release, f"pid {g.pid}", "up" if g.alive else "ended", str(g.console))
            for g in found
        ]
    )


@guest.command("shell", context_settings={"ignore_unknown_options": True})
@_NAME
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--limit",
    type=Finite(min=0.1),
    metavar="S",
    default=60.0,
    show_default=True,
    help="Seconds that a command may take.",
)
def shell(name: str, command: tuple[str, ...], limit: float) -> int:
    """Run a command in a guest, or one line after another from stdin.

    Ends with the exit code of the (last) command; with 124 if it took longer than --limit, and 8 if
    the guest's kernel died. What that kernel reports against itself meanwhile is printed, with the
    file that has its whole console.

    \b
    Example:
      lppack guest shell demo cat /proc/version
    """
    host = pipeline.connect_guest(name)
    told = code = 0
    for line in [" ".join(command)] if command else _prompted(sys.stdin, name):
        ran = host.run(["/bin/sh", "-c", line], limit=limit)
        click.echo(ran.out, nl=False)
        click.echo(ran.err, nl=False, err=True)
        if ran.timed_out:
            warn(f"lppack: {line.strip()}: no end after {limit:g} s; the console: {host.console}")
        for fault in host.new_faults[told:]:
            told += 1
            warn(f"lppack: the guest's kernel reported:\n{fault}\n  the console: {host.console}")
        code = ran.rc
    return code


def _prompted(stdin: TextIO, name: str) -> Iterator[str]:
    while True:
        if stdin.isatty():
            click.echo(f"{name}# ", nl=False, err=True)
        line = stdin.readline()
        if not line:
            return
        yield line
