# SPDX-License-Identifier: MIT
"""Plans of small manifests for the kernel of fake_facts."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lppack.errors import ManifestError, Problem
from lppack.kernel.config import KernelConfig
from lppack.kernel.facts import Facts
from lppack.model import Plan
from lppack.stages.load import load
from lppack.stages.plan import plan
from lppack.stages.validate import validate
from tests.kit.fake_facts import CONFIG, FACTS
from tests.kit.samples import kernel, stubs

HEAD = """\
lppack: 1
name: conn-limit
version: 2
description: x
license: GPL-2.0-only
author: x
kernels: ["6.1.0-*-amd64"]
sources: [a.c]
"""


NEEDS = "needs: [LEAVE_PATCHED_SET, SWITCH_THREAD]\n"  # line 9


def one(old: str, *, object_: str = "vmlinux", extra: str = "") -> str:
    """A manifest that replaces one function, whose name is at line 12, column 14."""
    text = f"objects:\n  - name: {object_}\n    functions:\n      - old: {old}\n"
    return f"{HEAD}{NEEDS}{text}        new: lp_x\n{extra}"


def planned(folder: Path, text: str, facts: Facts = FACTS, **words: Any) -> Plan:
    config: KernelConfig = words.pop("config", CONFIG)
    (folder / "a.c").write_text(stubs(yaml.safe_load(text)))
    (folder / "manifest.yaml").write_text(text)
    document = load(folder)
    at = words.pop("kernel", kernel())
    return plan(document, validate(document), at, facts, config, **words)


def refused(folder: Path, text: str, **words: Any) -> tuple[Problem, ...]:
    with pytest.raises(ManifestError) as caught:
        planned(folder, text, **words)
    return caught.value.problems
