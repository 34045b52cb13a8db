#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Module convert."""

from __future__ import annotations

DOCUMENTATION = r"""
module: convert
short_description: Let a live patch convert its data
description:
  - Phase 2 alone, of a live patch that was applied with O(ignore:phase=patch).
  - One that converts already, or has nothing to convert, is RV(ignore:changed=false).
extends_documentation_fragment: [lppack.livepatch.lppack]
options:
  series:
    description: The series of the live patch.
    type: str
    required: true
  wait:
    description: Seconds to wait while another command changes the host.
    type: float
    default: 0
attributes:
  check_mode:
    description: Fails where there is no such live patch.
    support: full
  diff_mode:
    description: The live patches of the host, before and after.
    support: full
"""

EXAMPLES = r"""
- name: Phase 2, when phase 1 is complete everywhere
  lppack.livepatch.convert:
    series: conn-limit
"""

RETURN = r"""
patches:
  description: The live patch.
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
            "wait": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    lppack, params = Lppack(module), module.params
    before = lppack.status() if module._diff else {"patches": []}
    found = lppack.call("status", params["series"])
    if module.check_mode:
        lppack.end(before, None, changed=any(p["conversion"] == "off" for p in found["patches"]))
    if all(p["conversion"] == "none" for p in found["patches"]):
        lppack.end(before, before if module._diff else found, changed=False)
    done = lppack.call("convert", params["series"], "--wait", str(params["wait"]))
    after = lppack.status() if module._diff else done
    lppack.end(before, after, changed=done["changed"])


if __name__ == "__main__":
    main()
