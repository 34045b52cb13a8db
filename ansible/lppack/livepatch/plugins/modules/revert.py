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
"""

RETURN = r"""
patches:
  description: What became of the live patch.
  returned: except in check mode
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lppack.livepatch.plugins.module_utils.lppack import COMMON, Lppack


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **COMMON,
            "series": {"type": "str", "required": True},
            "timeout": {"type": "float", "default": 60},
            "wait": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    lppack, params = Lppack(module), module.params
    before = lppack.status() if module._diff or module.check_mode else {"patches": []}
    if module.check_mode:
        there = [p for p in before["patches"] if params["series"] in (p["series"], p["module"])]
        lppack.end(before, None, changed=bool(there))
    words = ("--timeout", str(params["timeout"]), "--wait", str(params["wait"]))
    done = lppack.call("revert", params["series"], *words)
    after = lppack.status() if module._diff else done
    lppack.end(before, after, changed=done["changed"])


if __name__ == "__main__":
    main()
