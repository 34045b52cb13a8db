#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Module status."""

from __future__ import annotations

DOCUMENTATION = r"""
module: status
short_description: Say which live patches a host has
description: Reads, and changes nothing.
extends_documentation_fragment: [lppack.livepatch.lppack]
options:
  settled:
    description:
      - Fail unless nothing is going on, nothing was left undone, and the kernel's log can be read,
        so that a roll-out may begin.
    type: bool
    default: false
  max_load:
    description: With O(settled=true), fail if the load of a minute for each processor is higher.
    type: float
  before:
    description:
      - RV(health) of an earlier call. Fail if the kernel has a new taint, has reported a fault
        since, or was booted anew.
      - Fail also if the kernel's log cannot be read, or does not go back to the earlier call, as
        then nobody knows whether it has reported a fault. With another O(host) than V(local), the
        log of this machine says nothing of that host, and need not be readable.
    type: dict
attributes:
  check_mode:
    description: It changes nothing.
    support: full
  diff_mode:
    description: There is no difference.
    support: none
"""

EXAMPLES = r"""
- name: Where do things stand
  lppack.livepatch.status:
  register: found

- name: Is CVE-2026-0001 fixed here
  ansible.builtin.debug:
    msg: "{{ fixes | selectattr('cve', 'eq', 'CVE-2026-0001') | map(attribute='live') is any }}"
  vars:
    fixes: "{{ found.patches | map(attribute='fixes') | flatten }}"
"""

RETURN = r"""
patches:
  description: The live patches, as C(lppack status --format json) has them.
  returned: always
  type: list
  elements: dict
kernel:
  description: The release of the kernel.
  returned: always
  type: str
at_work:
  description: The command that changes the host now.
  returned: always
  type: dict
unfinished:
  description: Commands that died and left something undone.
  returned: always
  type: list
  elements: dict
health:
  description:
    - What a later call compares with. Of the host on which the module runs.
    - C(faults) is null if the kernel's log does not tell; C(log_problem) says why.
  returned: always
  type: dict
"""

import os
import re
from collections.abc import Iterable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lppack.livepatch.plugins.module_utils.lppack import COMMON, Lppack

# Beginnings of what a kernel prints of an oops, a WARN, a lockup or a stall.
FAULT = re.compile(
    r"\bBUG: |\bOops\b|\bkernel BUG at |: [0-9a-f]{4} \[#\d+\]|Kernel panic - not syncing"
    r"|\bWARNING: (CPU: |.* at .*, CPU#)|\bdetected hard LOCKUP"
    r"|\bgeneral protection fault(?!.* ip:)|\bINFO: rcu_\w+ (self-)?detected"
    r"|\bINFO: task .* blocked for more than"
)
# Each of them has one of these: most logs have none, and are not searched line by line.
WORDS = ("BUG", "Oops", "[#", "panic", "WARNING: ", "LOCKUP", "protection fault", "INFO: ")
STAMP = re.compile(r"^\[ *(\d+\.\d+)\]")


def text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def health(module: AnsibleModule) -> dict[str, object]:
    """Of this machine: its boot, the taint of its kernel, and what its log tells."""
    try:
        code, out, err = module.run_command(["dmesg"], handle_exceptions=False)
    except OSError as error:
        code, out, err = 127, "", f"dmesg: {error.strerror}"
    problem = f"it cannot be read: {err.strip() or f'dmesg ended with {code}'}" if code else None
    told = [] if code else out.splitlines()
    begins, ends = stamp(told), stamp(reversed(told))
    if told and ends is None:
        problem = "its lines have no time: echo Y > /sys/module/printk/parameters/time"
    searched = told if any(word in out for word in WORDS) else []
    lines = [line for line in searched if FAULT.search(line)]
    return {
        "boot": text("/proc/sys/kernel/random/boot_id"),
        "taint": int(text("/proc/sys/kernel/tainted") or 0),
        "log_problem": problem,
        "log_begins": begins,
        "log_ends": ends,
        "faults": None if problem else len(lines),
        "last_fault": stamp(reversed(lines)) or 0.0,
        "line": lines[-1][:300] if lines else "",
        "load": os.getloadavg()[0] / (os.cpu_count() or 1),
    }


def stamp(lines: Iterable[str]) -> float | None:
    """Return the time of the first of the lines that has one; None: none has."""
    found = next(filter(None, map(STAMP.match, lines)), None)
    return float(found[1]) if found else None


#: Bits that loading a live patch sets, and its signature or the lack of one: tainted-kernels.rst.
EXPECTED = 1 << 15 | 1 << 12 | 1 << 13


def worse(now: dict, before: dict) -> str | None:
    """Why the machine is not as well as it was, or why that is not known; None: it is."""
    if lost := now.keys() - before.keys():
        return f"`before` is not the health of an earlier call: {', '.join(sorted(lost))} not there"
    if now["boot"] != before["boot"]:
        return "the host was rebooted"
    if now["last_fault"] > before["last_fault"]:
        return f"the kernel has reported a fault: {now['line']}"
    if new := now["taint"] & ~before["taint"] & ~EXPECTED:
        return f"the kernel has a new taint: {new}"
    # A kernel that logs much overwrites the oldest lines; `dmesg --clear` drops all.
    begins, known = now["log_begins"], before["log_ends"]
    if not now["log_problem"] and known is not None and (begins is None or begins > known):
        return (
            "the kernel's log does not go back to the call before: whether it has reported a fault "
            "is not known; boot with a larger log_buf_len, or shorten the time between both calls"
        )
    return None


def unlogged(now: dict) -> str | None:
    """Why a fault of this kernel would not be seen; None: it would."""
    if now["log_problem"] is None:
        return None
    return f"a fault of the kernel would not be seen in its log: {now['log_problem']}"


def unsettled(found: dict, load: float, max_load: float | None) -> str | None:
    """Why a roll-out must not begin here; None: it may."""
    if not found["can_patch"]:
        return f"kernel {found['kernel']} has no live patching"
    if found["at_work"]:
        return f"{found['at_work']['command']} is at work"
    if found["unfinished"] or found["leftovers"]:
        return f"a command has left something undone; the way on is: {found['next']}"
    moving = [p["module"] for p in found["patches"] if p["phase"] in ("patching", "unpatching")]
    if moving:
        return f"a transition of {moving[0]} goes on"
    if max_load is not None and load > max_load:
        return f"the load is {load:.2f} for each processor"
    return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **COMMON,
            "settled": {"type": "bool", "default": False},
            "max_load": {"type": "float"},
            "before": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    params = module.params
    found = Lppack(module).status()
    del found["ok"]
    found["health"] = now = health(module)
    asked = params["settled"] or params["before"]
    why = unsettled(found, now["load"], params["max_load"]) if params["settled"] else None
    if why is None and params["before"]:
        why = worse(now, params["before"])
    if why is None and asked and params["host"] == "local":
        why = unlogged(now)
    elif asked and params["host"].startswith(("ssh:", "guest:")):
        module.warn(
            f"taint, faults, boot and load are those of this machine, not of {params['host']}: run "
            "the module there"
        )
    if why is not None:
        module.fail_json(msg=why, changed=False, **found)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
