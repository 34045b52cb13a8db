# SPDX-License-Identifier: MIT
"""The frozen values that pass between the stages. A name is imported when it is first used."""

from typing import TYPE_CHECKING

from lppack.late import late

if TYPE_CHECKING:
    from lppack.model.bundle import Bundle as Bundle
    from lppack.model.bundle import Module as Module
    from lppack.model.checks import Check as Check
    from lppack.model.checks import StepName as StepName
    from lppack.model.checks import TestSpec as TestSpec
    from lppack.model.fix import Effective as Effective
    from lppack.model.fix import Fix as Fix
    from lppack.model.fix import fix_of as fix_of
    from lppack.model.kernel import Kernel as Kernel
    from lppack.model.manifest import Counts as Counts
    from lppack.model.manifest import FunctionPatch as FunctionPatch
    from lppack.model.manifest import Hooks as Hooks
    from lppack.model.manifest import Manifest as Manifest
    from lppack.model.manifest import ObjectPatch as ObjectPatch
    from lppack.model.manifest import ShadowVariable as ShadowVariable
    from lppack.model.manifest import State as State
    from lppack.model.manifest import SymbolUse as SymbolUse
    from lppack.model.manifest import TransformPatch as TransformPatch
    from lppack.model.manifest import Visits as Visits
    from lppack.model.manifest import Workload as Workload
    from lppack.model.manifest import WorldTransform as WorldTransform
    from lppack.model.patch_info import Completeness as Completeness
    from lppack.model.patch_info import InliningCheck as InliningCheck
    from lppack.model.plan import Decision as Decision
    from lppack.model.plan import ExitList as ExitList
    from lppack.model.plan import Plan as Plan
    from lppack.model.plan import SourceTree as SourceTree

#: The names of each module: a host that applies a patch reads no manifest.
_NAMES = {
    "bundle": "Bundle Module",
    "fix": "Effective Fix fix_of",
    "kernel": "Kernel",
    "manifest": (
        "Counts FunctionPatch Hooks Manifest ObjectPatch ShadowVariable State SymbolUse "
        "TransformPatch Visits Workload WorldTransform"
    ),
    "patch_info": "Completeness InliningCheck",
    "plan": "Decision ExitList Plan SourceTree",
    "checks": "Check StepName TestSpec",
}
__getattr__ = late(__name__, _NAMES)
