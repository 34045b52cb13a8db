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
    """Enable conversion for ``series``; unload its leftovers. Raise ApplyRefused, NotConverted.

    ``irreversible``: convert even if the patch cannot be reverted afterwards.
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
            f"{state.module} is {state.phase}: conversion is possible only after every "
            "thread has switched",
            hint=f"wait, and see: {control.command('status', series)}"
            if state.phase is PatchPhase.PATCHING
            else f"complete the reversal, then apply the patch again: "
            f"{control.command('revert', series)}",
            reason="not-patched",
        )
    if not state.convert:
        if state.info.irreversible and not irreversible:
            raise ApplyRefused(
                f"{series} is irreversible: {IRREVERSIBLE}",
                hint=f"to accept this: {control.command('convert', series)} "
                "--irreversible; to revert the patch, while that is still possible: "
                f"{control.command('revert', series)}",
                reason=NO_WAY_BACK,
            )
        for fault in forced_transition(control.engine, control.host):
            raise ApplyRefused(
                f"{fault.message}: old code may read converted data",
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
            f"interrupted: {now.module} is {now.phase}, conversion is {now.conversion}; go "
            f"on with: {control.command('convert', series)}"
        ) from None
