# SPDX-License-Identifier: MIT
"""Options that all modules have."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  host:
    description:
      - The host whose kernel is meant, as C(lppack --on) takes it.
      - By default the one on which the module runs. On the controller, with
        C(delegate_to=localhost), V(ssh:root@{{ inventory_hostname }}) needs no lppack on the host.
    type: str
    default: local
  executable:
    description: The lppack to call.
    type: str
    default: lppack
requirements:
  - lppack where the module runs
author:
  - The lppack authors (@lppack)
"""
