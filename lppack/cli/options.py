# SPDX-License-Identifier: MIT
"""Options that several commands take, each written once."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from lppack.consistency import AVAILABLE_ENGINES, ModeName


class Finite(click.FloatRange):
    """A finite number in a range: no comparison would refuse `nan`."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number", param, ctx)
        return number


WHICH = "A release, a linux-image .deb, a folder with one unpacked, or `running`"
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
    help="Also read from the kernel's debug package which functions were inlined into which "
    "(100 MB, once). Without it, only what was read before is used.",
)
GUEST_KERNEL = click.option(
    "--kernel", metavar="REL", help=f"{WHICH}.  [default: the newest of Debian 12]"
)
ENGINE = click.option(
    "--engine",
    type=click.Choice(["auto", *(engine.value for engine in AVAILABLE_ENGINES)]),
    default="auto",
    help="What moves the kernel's threads to the new code.  [default: auto]",
)
MODE = click.option(
    "--mode",
    type=click.Choice([mode.value for mode in ModeName]),
    help="Use exactly this mode.  [default: the weakest that covers the needs]",
)
BUILDER = click.option(
    "--builder",
    type=click.Choice(["docker", "host"]),
    default="docker",
    show_default=True,
    help="docker: in a container without network; host: with this machine's compiler.",
)
FORCE = click.option(
    "--force",
    is_flag=True,
    help="Overwrite files in the folder, even those that lppack did not write or that were changed "
    "since.",
)
PATCH = click.argument("patch", type=click.Path(path_type=Path))
PATCHES = click.argument("patches", nargs=-1, required=True, type=click.Path(path_type=Path))


def _one_host(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> str:
    """Return the last of several would win in silence, and the others be taken for done."""
    if len(values) > 1:
        raise click.UsageError(
            f"--on was given {len(values)} times: name one host; for many there is the Ansible "
            "collection lppack.livepatch, see docs/fleet.md"
        )
    return values[0]


_PLACES = "local, guest:NAME, ssh:[user@]host[:port]"
_on = partial(
    click.option,
    "--on",
    "on",
    is_eager=True,  # known before --engine is looked at, in whatever order they stand
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
        raise click.UsageError(f"a simulated kernel keeps no history; give {_PLACES}")
    return on


#: Of commands that read the journal of a host.
ON_WITH_HISTORY = _on(callback=_with_history, help=f"{_PLACES}.  [default: local]")


def _engine_as_host(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    given = context.get_parameter_source("on") is not ParameterSource.DEFAULT
    if given and context.params["on"] != value:
        raise click.UsageError("--engine simulated is a kernel of its own: leave --on out")
    context.params["on"] = value


SIMULATED = click.option(
    "--engine",
    type=click.Choice(["simulated"]),
    callback=_engine_as_host,
    expose_value=False,
    help="simulated: a kernel in memory, kept from one command to the next; as --on simulated.",
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
    help="Seconds that a reversal may take.  [default: as --timeout, 60 at least]",
)
SIGNERS = click.option(
    "--signers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File of allowed signers, as in ssh-keygen(1).  [default: /etc/lppack/allowed_signers]",
)
IRREVERSIBLE = click.option(
    "--irreversible",
    is_flag=True,
    help="Accept that the patch cannot be reverted once it has converted data (irreversible).",
)
WAIT = click.option(
    "--wait",
    type=Finite(min=0),
    default=0.0,
    metavar="S",
    help="Seconds to wait while another command changes the host.  [default: 0]",
)
_PERCENT = click.IntRange(1, 100)
MAX_STOP = click.option(
    "--max-stop",
    type=_PERCENT,
    metavar="PERCENT",
    help="Share of a transition's time for which lppack's own engine may stop the machine; 1 if "
    "not given. The first 50 ms do not count.",
)
MAX_HOLD = click.option(
    "--max-hold",
    type=_PERCENT,
    metavar="PERCENT",
    help="Share of a transition's time for which lppack's own engine may hold threads that leave "
    "the kernel; 3 if not given. The first 0.7 s (3 s in mode checkpoint) do not count.",
)
