# SPDX-License-Identifier: MIT
"""The frozen values that pass between the stages."""

from lppack.model.bundle import Bundle, Module
from lppack.model.kernel import Kernel
from lppack.model.manifest import (
    Check,
    Counts,
    Effective,
    Fix,
    FunctionPatch,
    Hooks,
    Manifest,
    ObjectPatch,
    ShadowVariable,
    State,
    StepName,
    SymbolUse,
    TestSpec,
    TransformPatch,
    Visits,
    Workload,
    WorldTransform,
    fix_of,
)
from lppack.model.plan import (
    Completeness,
    Decision,
    ExitList,
    InliningCheck,
    Plan,
    SourceTree,
)

__all__ = [
    "Bundle",
    "Check",
    "Completeness",
    "Counts",
    "Decision",
    "Effective",
    "ExitList",
    "Fix",
    "FunctionPatch",
    "Hooks",
    "InliningCheck",
    "Kernel",
    "Manifest",
    "Module",
    "ObjectPatch",
    "Plan",
    "ShadowVariable",
    "SourceTree",
    "State",
    "StepName",
    "SymbolUse",
    "TestSpec",
    "TransformPatch",
    "Visits",
    "Workload",
    "WorldTransform",
    "fix_of",
]
