# SPDX-License-Identifier: MIT
"""Options that several commands share."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from lppack.consistency import AVAILABLE_ENGINES, ModeName


class Finite(click.FloatRange):
    """A finite number in a range. FloatRange accepts `nan`, because every comparison with it is
    false."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


WHICH = "A release, a linux-image .deb, a folder with an unpacked one, or `running`"
KERNEL = click.option(
    "--kernel",
    metavar="REL",
    help=f"{WHICH}.  [default: the newest that the manifest names]",
)
CHECKED_KERNEL = click.option(
    "--kernel", metavar="REL", help=f"{WHICH}; without it, no kernel is checked."
)
DEEP = click.option(
    "--deep",
    is_flag=True,
    help="Also read from the kernel's debug package which functions were inlined, and "
    "where (downloads 100 MB, once). Without this option, only facts read before are used.",
)
GUEST_KERNEL = click.option(
    "--kernel", metavar="REL", help=f"{WHICH}.  [default: the newest of Debian 12]"
)
ENGINE = click.option(
    "--engine",
    type=click.Choice(["auto", *(engine.value for engine in AVAILABLE_ENGINES)]),
    default="auto",
    help="The engine that moves threads to the new code.  [default: auto]",
)
MODE = click.option(
    "--mode",
    type=click.Choice([mode.value for mode in ModeName]),
    help="Use exactly this mode.  [default: the weakest mode that covers the needs]",
)
BUILDER = click.option(
    "--builder",
    type=click.Choice(["docker", "host"]),
    default="docker",
    show_default=True,
    help="docker: build in a container without network. host: build with this machine's compiler.",
)
FORCE = click.option(
    "--force",
    is_flag=True,
    help="Overwrite files in the folder, even if lppack did not write them or somebody "
    "changed them.",
)
PATCH = click.argument("patch", type=click.Path(path_type=Path))
PATCHES = click.argument("patches", nargs=-1, required=True, type=click.Path(path_type=Path))


def _one_host(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> str:
    """Return the host; refuse several, because click would silently use only the last one."""
    if len(values) > 1:
        raise click.UsageError(
            f"--on was given {len(values)} times: name one host; for many hosts, use the "
            "Ansible collection lppack.livepatch (docs/fleet.md)"
        )
    return values[0]


_PLACES = "local, guest:NAME, ssh:[user@]host[:port]"
_on = partial(
    click.option,
    "--on",
    "on",
    is_eager=True,  # parsed before --engine, in whatever order they are given
    multiple=True,
    metavar="HOST",
    default=["local"],
)
ON = _on(
    callback=_one_host,
    help=f"{_PLACES}, or simulated: a kernel in memory.  [default: local]",
)


def _with_history(context: click.Context, option: click.Parameter, value: tuple[str, ...]) -> str:
    on = _one_host(context, option, value)
    if on == "simulated":
        raise click.UsageError(f"a simulated kernel keeps no history: give {_PLACES}")
    return on


#: For commands that read the journal of a host.
ON_WITH_HISTORY = _on(callback=_with_history, help=f"{_PLACES}.  [default: local]")


def _engine_as_host(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    given = context.get_parameter_source("on") is not ParameterSource.DEFAULT
    if given and context.params["on"] != value:
        raise click.UsageError("--engine simulated excludes --on: it selects a simulated kernel")
    context.params["on"] = value


SIMULATED = click.option(
    "--engine",
    type=click.Choice(["simulated"]),
    callback=_engine_as_host,
    expose_value=False,
    help="simulated: act on a simulated kernel, which is kept between commands; the same "
    "as --on simulated.",
)
TIMEOUT = click.option(
    "--timeout",
    type=Finite(min=0.1),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Seconds that a transition may take.",
)
UNDO_TIMEOUT = click.option(
    "--undo-timeout",
    type=Finite(min=0.1),
    metavar="S",
    help="Seconds that a reversal may take.  [default: as --timeout, at least 60]",
)
SIGNERS = click.option(
    "--signers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File of allowed signers; format: ssh-keygen(1).  [default: /etc/lppack/allowed_signers]",
)
IRREVERSIBLE = click.option(
    "--irreversible",
    is_flag=True,
    help="Accept that an irreversible patch cannot be reverted once it has converted data.",
)
PHASE = click.option(
    "--phase",
    type=click.Choice(["patch", "all"]),
    default="all",
    show_default=True,
    help="patch: do not enable the conversion of data.",
)
WAIT = click.option(
    "--wait",
    type=Finite(min=0),
    default=0.0,
    metavar="S",
    help="Seconds to wait for another command that is changing the host.  [default: 0]",
)
_PERCENT = click.IntRange(1, 100)
MAX_STOP = click.option(
    "--max-stop",
    type=_PERCENT,
    metavar="PERCENT",
    help="Percentage of a transition's time for which lppack's own engine may stop the "
    "machine. The first 50 ms do not count.  [default: 1]",
)
MAX_HOLD = click.option(
    "--max-hold",
    type=_PERCENT,
    metavar="PERCENT",
    help="Percentage of a transition's time for which lppack's own engine may hold threads "
    "that leave the kernel. The first 0.7 s (3 s in mode checkpoint) do not count.  [default: 3]",
)
