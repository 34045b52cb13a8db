# SPDX-License-Identifier: MIT
"""The command with which a person goes on, for each state that a patch can be found in."""

from lppack import abi
from lppack.abi import Phase
from lppack.stages.status import PatchReport


def next_step(patch: PatchReport) -> str | None:
    """Return what to do next; None if nothing is to be done, or if lppack did not make the patch.

    The host's lock knows whether a command is at work on it, and its journal whether one died.
    """
    if patch.series is None:
        return None
    if patch.at_work or patch.recover:
        return patch.at_work or patch.recover
    on = f"--on {patch.host}"
    revert = f"lppack revert {patch.series} {on}"
    if patch.irreversible and patch.converted and patch.phase is Phase.UNPATCHED:
        return "restart the host: the original code misreads what was converted"
    match patch.phase:
        case Phase.UNPATCHING if patch.irreversible and patch.converted:
            enabled = abi.patch_attribute(patch.module, "enabled")
            return f"the original code misreads what was converted; turn back: echo 1 > {enabled}"
        case Phase.PATCHING:
            return f"wait, or take it back: {revert}"
        case Phase.UNPATCHING:
            return f"wait, or complete it: {revert}"
        case Phase.UNPATCHED:
            return f"unload it: lppack revert {patch.module} {on}"
        case Phase.PATCHED if patch.forced and patch.conversion != "none":
            return f"plan a reboot; until then take it back: {revert}"
        case Phase.PATCHED if patch.left_new:
            return "leave it as it is, and plan a reboot: `reverse` of this patch is wrong"
        case Phase.PATCHED if patch.conversion == "off" and patch.irreversible:
            convert = f"lppack convert {patch.series} --irreversible {on}"
            return f"phase 2 is still to do, and cannot be undone: {convert}, or: {revert}"
        case Phase.PATCHED if patch.conversion == "off":
            return f"phase 2 is still to do: lppack convert {patch.series} {on}, or: {revert}"
    return None
