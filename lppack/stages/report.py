# SPDX-License-Identifier: MIT
"""Reports as the JSON that scripts rely on."""

from typing import Any

from lppack.stages.next_step import next_step
from lppack.stages.status import PatchReport


def patch_json(patch: PatchReport) -> dict[str, Any]:
    """One entry of ``patches`` of apply, convert, revert and status."""
    return {
        "series": patch.series,
        "version": patch.version,
        "module": patch.module,
        "srcversion": patch.srcversion,
        "engine": patch.engine,
        "mode": patch.mode,
        "host": patch.host,
        "phase": patch.phase.value,
        "conversion": patch.conversion,
        "converted": patch.converted,
        "longest_stop_ms": patch.longest_stop_ms,
        "blockers": [
            {
                "pid": blocker.pid,
                "tid": blocker.tid,
                "comm": blocker.comm,
                "function": blocker.function,
                "reason": blocker.reason,
                "seconds": None if patch.seconds is None else round(patch.seconds, 1),
            }
            for blocker in patch.blockers
        ],
        "forced": patch.forced,
        "inlining": patch.inlining,
        "complete": patch.complete,
        "fixes": list(patch.fixes),
        "waiting": [
            {"object": object_, "function": function} for object_, function in patch.waiting
        ],
        "problem": patch.problem,
        "still_new": patch.left_new,
        "irreversible": patch.irreversible,
        "next": next_step(patch),
        "overridden": [
            {"object": object_, "function": function, "by": module}
            for object_, function, module in patch.overridden
        ],
    }
