# SPDX-License-Identifier: MIT
"""Check that every live patch of a host is in effect, for monitoring."""

from collections.abc import Iterator

from lppack.abi import PatchPhase
from lppack.errors import AnswerIsNo
from lppack.stages.host_status import HostStatus
from lppack.stages.status import PatchReport


def require_live(host: HostStatus) -> None:
    """Raise AnswerIsNo with every reason why a patch of lppack is not fully in effect.

    Unfinished work of a command that died is also a reason.
    """
    steps: dict[str, None] = {}
    found = [("unfinished", f"unfinished: {record}") for record in host.unfinished]
    for patch in host.patches:
        faults = tuple(_faults(patch))
        found += [(reason, f"{patch.module} on {patch.host}: {why}") for reason, why in faults]
        if faults and (step := patch.next_step):
            steps[step] = None
    if host.unfinished and host.next:
        steps[host.next] = None
    if found:
        raise AnswerIsNo(
            "\n".join(why for _, why in found),
            hint="; ".join(steps) or None,
            reason=found[0][0],
            report={"patches": [patch.to_json() for patch in host.patches], **host.to_json()},
        )


def _faults(patch: PatchReport) -> Iterator[tuple[str, str]]:
    """Yield (reason, sentence), the most serious first."""
    if patch.series is None:
        return
    if patch.forced:
        yield "forced", "a transition was forced on this host"
    if patch.forced is None:
        yield "unanswered", "whether a transition was forced is not known"
    if patch.phase is PatchPhase.UNPATCHED:
        yield "leftover", "is unpatched, and still loaded"
    elif patch.phase is not PatchPhase.PATCHED:
        yield "in-transition", f"is {patch.phase}"
    elif patch.conversion == "off":
        yield "not-converted", "is patched, and phase 2 is still to do"
    for object_, function, module in patch.overridden:
        yield "overridden", f"{function} of {object_} runs in {module}"
    if patch.phase is PatchPhase.PATCHED and patch.conversion != "off" and not patch.overridden:
        for fix in patch.fixes:
            if not fix["live"] and not fix["waits"]:
                yield "not-live", f"{fix['cve'] or ', '.join(fix['functions'])} is not live"
