# SPDX-License-Identifier: MIT
"""The order of the stages; no other package knows it. A name is imported when it is first used."""

from typing import TYPE_CHECKING

from lppack.late import late

if TYPE_CHECKING:
    from lppack.pipeline.adopt import adopt_module as adopt_module
    from lppack.pipeline.adopt import installed_modules as installed_modules
    from lppack.pipeline.agent import run_agent as run_agent
    from lppack.pipeline.build import Built as Built
    from lppack.pipeline.build import check_output as check_output
    from lppack.pipeline.build import make_bundle as make_bundle
    from lppack.pipeline.build import make_tree as make_tree
    from lppack.pipeline.build import open_builder as open_builder
    from lppack.pipeline.build import write_tree as write_tree
    from lppack.pipeline.cache import shrink_cache as shrink_cache
    from lppack.pipeline.check import PatchCheck as PatchCheck
    from lppack.pipeline.check import ask_kernel as ask_kernel
    from lppack.pipeline.check import check_patch as check_patch
    from lppack.pipeline.check import check_release as check_release
    from lppack.pipeline.check import ids_of as ids_of
    from lppack.pipeline.check import inspect_file as inspect_file
    from lppack.pipeline.check import make_plan as make_plan
    from lppack.pipeline.check import patches_of as patches_of
    from lppack.pipeline.check import prove_patch as prove_patch
    from lppack.pipeline.check import reserve_id as reserve_id
    from lppack.pipeline.check import sarif_of as sarif_of
    from lppack.pipeline.check import try_kernel as try_kernel
    from lppack.pipeline.cost import HostCalls as HostCalls
    from lppack.pipeline.cost import price_bundle as price_bundle
    from lppack.pipeline.cost import price_manifest as price_manifest
    from lppack.pipeline.draft import Between as Between
    from lppack.pipeline.draft import Copy as Copy
    from lppack.pipeline.draft import Drafted as Drafted
    from lppack.pipeline.draft import make_draft as make_draft
    from lppack.pipeline.draft import new_patch as new_patch
    from lppack.pipeline.evidence import cves_of as cves_of
    from lppack.pipeline.evidence import metrics_of as metrics_of
    from lppack.pipeline.evidence import metrics_place as metrics_place
    from lppack.pipeline.evidence import vex as vex
    from lppack.pipeline.evidence import write_metrics as write_metrics
    from lppack.pipeline.explain import rule_pages as rule_pages
    from lppack.pipeline.explain import verdict_pages as verdict_pages
    from lppack.pipeline.guests import connect_guest as connect_guest
    from lppack.pipeline.guests import initramfs_for as initramfs_for
    from lppack.pipeline.guests import list_guests as list_guests
    from lppack.pipeline.guests import start_guest as start_guest
    from lppack.pipeline.guests import stop_guest as stop_guest
    from lppack.pipeline.migrate import plan_migration as plan_migration
    from lppack.pipeline.migrate import run_migration as run_migration
    from lppack.pipeline.operate import apply_bundle as apply_bundle
    from lppack.pipeline.operate import convert_series as convert_series
    from lppack.pipeline.operate import history_of as history_of
    from lppack.pipeline.operate import recover_host as recover_host
    from lppack.pipeline.operate import require_live as require_live
    from lppack.pipeline.operate import revert_series as revert_series
    from lppack.pipeline.operate import revert_to as revert_to
    from lppack.pipeline.operate import sign_bundle as sign_bundle
    from lppack.pipeline.operate import status_of as status_of
    from lppack.pipeline.operate import verify_bundle as verify_bundle
    from lppack.pipeline.operate import watch_host as watch_host
    from lppack.pipeline.package import package_bundle as package_bundle
    from lppack.pipeline.prove import Proof as Proof
    from lppack.pipeline.rollout import rollout_plan as rollout_plan
    from lppack.pipeline.simulate import Compared as Compared
    from lppack.pipeline.simulate import compare_modes as compare_modes
    from lppack.pipeline.simulate import recommended as recommended
    from lppack.pipeline.simulate import replay_runs as replay_runs
    from lppack.pipeline.simulate import report_place as report_place
    from lppack.pipeline.simulate import sample_patch as sample_patch
    from lppack.pipeline.simulate import simulate_patch as simulate_patch
    from lppack.pipeline.simulate import write_report as write_report
    from lppack.pipeline.sweep import Swept as Swept
    from lppack.pipeline.sweep import Where as Where
    from lppack.pipeline.sweep import explore_grid as explore_grid
    from lppack.pipeline.sweep import sample_grid as sample_grid
    from lppack.pipeline.trial import Trial as Trial

#: The names of each module, imported late: `validate` must not import what only `apply` needs.
_NAMES = {
    "adopt": "adopt_module installed_modules",
    "agent": "run_agent",
    "build": "Built check_output make_bundle make_tree open_builder write_tree",
    "cache": "shrink_cache",
    "check": (
        "PatchCheck ask_kernel check_patch check_release ids_of inspect_file make_plan patches_of "
        "prove_patch reserve_id sarif_of try_kernel"
    ),
    "cost": "HostCalls price_bundle price_manifest",
    "draft": "Between Copy Drafted make_draft new_patch",
    "evidence": "cves_of metrics_of metrics_place vex write_metrics",
    "explain": "rule_pages verdict_pages",
    "guests": "connect_guest initramfs_for list_guests start_guest stop_guest",
    "migrate": "plan_migration run_migration",
    "operate": (
        "apply_bundle convert_series history_of recover_host require_live revert_series revert_to "
        "sign_bundle status_of verify_bundle watch_host"
    ),
    "package": "package_bundle",
    "prove": "Proof",
    "rollout": "rollout_plan",
    "simulate": (
        "Compared compare_modes recommended replay_runs report_place sample_patch "
        "simulate_patch write_report"
    ),
    "sweep": "Swept Where explore_grid sample_grid",
    "trial": "Trial",
}
__getattr__ = late(__name__, _NAMES)
