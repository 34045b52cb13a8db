# SPDX-License-Identifier: MIT
"""How tests of simulate call it."""

from dataclasses import replace
from typing import Any

from lppack.model import FunctionPatch, Manifest, ObjectPatch
from lppack.stages.load import load
from lppack.stages.validate import validate
from tests.kit.command import EXAMPLES


def manifest(name: str = "proc-cmdline", *functions: str, **changes: Any) -> Manifest:
    made = validate(load(EXAMPLES / name))
    if functions:
        patched = tuple(FunctionPatch(old=f, new=f"lp_{f}", sympos=None) for f in functions)
        made = replace(made, objects=(ObjectPatch(name=None, functions=patched),))
    return replace(made, **changes)
