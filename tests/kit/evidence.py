# SPDX-License-Identifier: MIT
"""What a host reports of its live patches, as evidence is made of it."""

from typing import Any

from lppack.abi import PatchPhase
from lppack.stages.host_status import HostStatus
from lppack.stages.status import PatchReport

CVE = "CVE-2026-0001"


KERNEL = "#1 SMP PREEMPT_DYNAMIC Debian 6.12.118-1~bpo+1 (2026-11-16)"


def fix(**more: Any) -> dict[str, Any]:
    return {"cve": CVE, "functions": ["f"], "live": True, "in_part": False, "waits": False, **more}


def patch(*fixes: dict[str, Any], **more: Any) -> PatchReport:
    known: dict[str, Any] = {
        "series": "conn-limit",
        "version": 1,
        "module": "lppack_conn_limit_1",
        "engine": "livepatch",
        "mode": "hybrid",
        "host": "local",
        "phase": PatchPhase.PATCHED,
        "conversion": "on",
        "converted": 3,
        "blockers": (),
        "fixes": fixes or (fix(),),
        "inlining": "checked",
        "complete": "proved",
        "srcversion": "ABC",
    }
    return PatchReport(**{**known, **more})


def host(*patches: PatchReport, version: str = KERNEL) -> HostStatus:
    return HostStatus(
        kernel="6.12.118+deb13-amd64", can_patch=True, patches=patches, version=version
    )
