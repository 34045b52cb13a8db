#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Module revert."""

from __future__ import annotations

DOCUMENTATION = r"""
module: revert
short_description: Take a live patch back
description:
  - Stops converting, reverses the data, unpatches and unloads.
  - A series that is not there is RV(ignore:changed=false).
  - With O(to) or O(before), applies afterwards what was live earlier, from the bundles that the
    host has kept.
extends_documentation_fragment: [lppack.livepatch.lppack]
options:
  series:
    description: The series of the live patch.
    type: str
    required: true
  timeout:
    description: Seconds that the transition may take.
    type: float
    default: 60
  wait:
    description: Seconds to wait while another command changes the host.
    type: float
    default: 0
  to:
    description: After that, apply this earlier version.
    type: int
  before:
    description:
      - RV(patches) of M(lppack.livepatch.status), of an earlier call. After that, apply each live
        patch of then which is missing now, and fail unless the host has the same live patches as
        then, as far converted.
    type: list
    elements: dict
  signers:
    description: Who may sign what is applied again, as in M(lppack.livepatch.apply).
    type: path
attributes:
  check_mode:
    description: Says whether there is something to take back.
    support: full
  diff_mode:
    description: The live patches of the host, before and after.
    support: full
"""

EXAMPLES = r"""
- name: Back to the original kernel
  lppack.livepatch.revert:
    series: conn-limit

- name: Back to version 1
  lppack.livepatch.revert:
    series: conn-limit
    to: 1
"""

RETURN = r"""
patches:
  description: What became of the live patch; with O(before), the live patches of the host.
  returned: except in check mode
  type: list
  elements: dict
reverted:
  description: Whether the series is reverted, and only an earlier patch could not be applied.
  returned: on failure, with O(before)
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lppack.livepatch.plugins.module_utils.lppack import COMMON, Lppack, shown


def live(status: dict[str, Any]) -> list[dict[str, Any]]:
    """The live patches that lppack made."""
    return [p for p in status["patches"] if p["series"] and p["phase"] == "patched"]


def restore(lppack: Lppack, before: dict[str, Any], words: list[str]) -> dict[str, Any]:
    """Apply what was live before and is missing; return the status, which is as before."""
    now = lppack.status()
    was, there = ({patch["module"] for patch in live(status)} for status in (before, now))
    lppack.known = {"reverted": there <= was, "changed": True}
    if there <= was:
        for patch in live(before):
            if patch["module"] not in there:
                phase = "patch" if patch["conversion"] == "off" else "all"
                to = ["--to", str(patch["version"]), "--phase", phase]
                lppack.call("revert", patch["series"], *to, *words)
        now = lppack.status()
    lines = [shown({"patches": live(status)}).rstrip() for status in (before, now)]
    if lines[0] != lines[1]:
        msg = f"before: {lines[0] or 'no live patch'}; now: {lines[1] or 'no live patch'}"
        lppack.module.fail_json(msg=msg, patches=now["patches"], **lppack.known)
    return now


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **COMMON,
            "series": {"type": "str", "required": True},
            "timeout": {"type": "float", "default": 60},
            "wait": {"type": "float", "default": 0},
            "to": {"type": "int"},
            "before": {"type": "list", "elements": "dict"},
            "signers": {"type": "path"},
        },
        mutually_exclusive=[("to", "before")],
        supports_check_mode=True,
    )
    lppack, params = Lppack(module), module.params
    before = lppack.status() if module._diff or module.check_mode else {"patches": []}
    if module.check_mode:
        there = [p for p in before["patches"] if params["series"] in (p["series"], p["module"])]
        lppack.end(before, None, changed=bool(there))
    words = ["--timeout", str(params["timeout"]), "--wait", str(params["wait"])]
    again = ["--signers", params["signers"]] if params["signers"] else []
    to = ["--to", str(params["to"]), *again] if params["to"] is not None else []
    done = lppack.call("revert", params["series"], *words, *to)
    if params["before"] is not None:
        done["patches"] = restore(lppack, {"patches": params["before"]}, words + again)["patches"]
    after = lppack.status() if module._diff else done
    lppack.end(before, after, changed=done["changed"])


if __name__ == "__main__":
    main()
