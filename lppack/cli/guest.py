# SPDX-License-Identifier: MIT
"""guest: kernels in QEMU that keep running after a command."""

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
@click.option(
    "--target",
    "targets",
    metavar="PATCH",
    multiple=True,
    help="Also load the test targets of this patch.",
)
@click.option(
    "--boot",
    "words",
    metavar="WORD",
    multiple=True,
    help="Add this word to the kernel command line.",
)
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
    """Stop a guest; everything that was applied in it is lost.

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
    help="Seconds that each command may take.",
)
def shell(name: str, command: tuple[str, ...], limit: float) -> int:
    """Run a command in a guest, or one line after another from stdin.

    Ends with the exit code of the (last) command: 124 if it took longer than --limit, 8 if the
    guest's kernel died. If the kernel reports a bug or a warning meanwhile, the report is printed,
    with the path of the console file.

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
            warn(
                f"lppack: {line.strip()}: did not end within {limit:g} s; console of the "
                f"guest: {host.console}"
            )
        for fault in host.new_faults[told:]:
            told += 1
            warn(
                f"lppack: the guest's kernel reported:\n{fault}\n  console of the guest: "
                f"{host.console}"
            )
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
