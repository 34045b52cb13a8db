#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Module apply."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apply
short_description: Apply a live patch
description:
  - Applies a bundle of lppack to a kernel, waits until every thread has switched, and converts
    its data.
  - What does not end in time is reversed, and the host is as it was; the module fails then, with
    RV(code=7).
  - A bundle that is in effect already is RV(ignore:changed=false).
extends_documentation_fragment: [lppack.livepatch.lppack]
options:
  bundle:
    description: The bundle, where the module runs.
    type: path
    required: true
  phase:
    description: V(patch) leaves conversion for later.
    type: str
    choices: [patch, all]
    default: all
  timeout:
    description: Seconds that the transition may take.
    type: float
    default: 60
  undo_timeout:
    description: Seconds that a reversal may take.
    type: float
  wait:
    description: Seconds to wait while another command changes the host.
    type: float
    default: 0
  signers:
    description: Who may sign, as in ssh-keygen(1); by default C(/etc/lppack/allowed_signers).
    type: path
  allow_older:
    description: Also apply a version that is older than one that was applied before.
    type: bool
    default: false
attributes:
  check_mode:
    description: Everything that can be refused is checked, and nothing is loaded.
    support: full
  diff_mode:
    description: The live patches of the host, before and after.
    support: full
"""

EXAMPLES = r"""
- name: Close the hole, now
  lppack.livepatch.apply:
    bundle: /var/lib/lppack/rollout/conn-limit-1_6.1.0-47-amd64.lpp

- name: From the controller, where lppack is not on the host
  lppack.livepatch.apply:
    bundle: conn-limit-1_6.1.0-47-amd64.lpp
    host: "ssh:root@{{ inventory_hostname }}"
  delegate_to: localhost
"""

RETURN = r"""
patches:
  description: The live patches of the host, as C(lppack status --format json) has them.
  returned: except in check mode
  type: list
  elements: dict
code:
  description: The exit code of lppack. With 2 to 7 and 9 the host is as it was.
  returned: on failure
  type: int
reason:
  description: Why, as a stable word.
  returned: on failure
  type: str
hint:
  description: A way out.
  returned: on failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lppack.livepatch.plugins.module_utils.lppack import COMMON, Lppack


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **COMMON,
            "bundle": {"type": "path", "required": True},
            "phase": {"type": "str", "choices": ["patch", "all"], "default": "all"},
            "timeout": {"type": "float", "default": 60},
            "undo_timeout": {"type": "float"},
            "wait": {"type": "float", "default": 0},
            "signers": {"type": "path"},
            "allow_older": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    lppack, params = Lppack(module), module.params
    words = ["apply", params["bundle"], "--phase", params["phase"]]
    words += ["--timeout", str(params["timeout"]), "--wait", str(params["wait"])]
    for name in ("undo_timeout", "signers"):
        if params[name] is not None:
            words += [f"--{name.replace('_', '-')}", str(params[name])]
    words += ["--allow-older"] * params["allow_older"] + ["--dry-run"] * module.check_mode
    before = lppack.status() if module._diff else {"patches": []}
    done = lppack.call(*words)
    if module.check_mode:  # what is in effect already is reported, and nothing else
        lppack.end(before, None, changed=not done["patches"])
    after = lppack.status() if module._diff else done
    lppack.end(before, after, changed=done["changed"])


if __name__ == "__main__":
    main()
