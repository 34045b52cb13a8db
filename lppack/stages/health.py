# SPDX-License-Identifier: MIT
"""Whether every live patch of a host is in effect, for monitoring."""

from collections.abc import Iterator, Sequence

from lppack.abi import Phase
from lppack.errors import AnswerIsNo
from lppack.stages.next_step import next_step
from lppack.stages.report import patch_json
from lppack.stages.status import PatchReport


def require_live(patches: Sequence[PatchReport]) -> None:
    """Raise AnswerIsNo, with all that keeps a patch made by lppack from being fully in effect."""
    found = [(patch, reason, why) for patch in patches for reason, why in _faults(patch)]
    if not found:
        return
    steps = dict.fromkeys(step for patch, _, _ in found if (step := next_step(patch)))
    raise AnswerIsNo(
        "\n".join(f"{patch.module} on {patch.host}: {why}" for patch, _, why in found),
        hint="; ".join(steps) or None,
        reason=found[0][1],
        report={"patches": [patch_json(patch) for patch in patches]},
    )


def _faults(patch: PatchReport) -> Iterator[tuple[str, str]]:
    """(reason, sentence), the gravest first."""
    if patch.series is None:
        return
    if patch.forced:
        yield "forced", "a transition was forced on this host"
    if patch.forced is None:
        yield "unanswered", "whether a transition was forced is not known"
    if patch.phase is Phase.UNPATCHED:
        yield "leftover", "is unpatched, and still loaded"
    elif patch.phase is not Phase.PATCHED:
        yield "in-transition", f"is {patch.phase}"
    elif patch.conversion == "off":
        yield "not-converted", "is patched, and phase 2 is still to do"
    for object_, function, module in patch.overridden:
        yield "overridden", f"{function} of {object_} runs in {module}"
    # A module that is not loaded is patched when it comes: until then nobody runs its defect.
    settled = patch.phase is Phase.PATCHED and patch.conversion != "off"
    if settled and not patch.overridden and not patch.waiting:
        for fix in patch.fixes:
            if not fix["live"]:
                yield "not-live", f"{fix['cve'] or ', '.join(fix['functions'])} is not live"
