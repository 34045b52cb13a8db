# SPDX-License-Identifier: MIT
"""convert: phase 2 alone."""

from dataclasses import replace

from lppack.abi import PatchPhase
from lppack.errors import ApplyRefused, Interrupted
from lppack.model.patch_info import IRREVERSIBLE
from lppack.rules.host import forced_transition
from lppack.stages.drive import NO_WAY_BACK, Control, answered, enable_conversion
from lppack.stages.leftovers import clear
from lppack.stages.revert import find_all
from lppack.stages.status import PatchReport


def convert(control: Control, series: str, *, irreversible: bool = False) -> PatchReport:
    """Enable conversion of ``series``; unload its leftovers. Raise ApplyRefused, NotConverted.

    ``irreversible``: even if it cannot be reverted.
    """
    found = answered(control, lambda: find_all(control, series))
    state = found.state
    if state.info.world:
        raise ApplyRefused(
            f"{series} converted all data in the stop that applied it", reason="nothing-to-convert"
        )
    if not state.info.transforms:
        raise ApplyRefused(
            f"{series} has no data to convert: it is live once patched",
            reason="nothing-to-convert",
        )
    if state.phase is not PatchPhase.PATCHED:
        raise ApplyRefused(
            f"{state.module} is {state.phase}: data is converted once every thread has switched",
            hint=f"wait, and see: {control.command('status', series)}"
            if state.phase is PatchPhase.PATCHING
            else f"complete that, then apply it again: {control.command('revert', series)}",
            reason="not-patched",
        )
    if not state.convert:
        if state.info.irreversible and not irreversible:
            raise ApplyRefused(
                f"{series} is irreversible: {IRREVERSIBLE}",
                hint=f"if that is what you want: {control.command('convert', series)} "
                f"--irreversible; to take it back, while that is possible: "
                f"{control.command('revert', series)}",
                reason=NO_WAY_BACK,
            )
        for fault in forced_transition(control.engine, control.host):
            raise ApplyRefused(
                f"{fault.message}: old code may meet new data",
                hint=fault.hint,
                reason="no-transition-was-forced",
            )
    try:
        if not state.convert:
            enable_conversion(control, state.module, series)
        clear(control, found.dead)
        changed = not state.convert or bool(found.dead)
        return replace(control.report(state.module), changed=changed)
    except KeyboardInterrupt:
        now = control.report(state.module)
        raise Interrupted(
            f"interrupted: {now.module} is {now.phase}, conversion is {now.conversion}; "
            f"go on with: {control.command('convert', series)}"
        ) from None
