# SPDX-License-Identifier: MIT
"""The order of the stages, known here alone."""

from lppack.pipeline.build import Built, make_bundle, make_tree, open_builder, write_tree
from lppack.pipeline.check import (
    Checked,
    check,
    check_release,
    ids_of,
    inspect_file,
    make_plan,
    patches_of,
    prove_patch,
    reserve_id,
)
from lppack.pipeline.draft import Between, Copy, Drafted, make_draft, new_patch
from lppack.pipeline.guests import initramfs_for, start_guest
from lppack.pipeline.operate import (
    apply_bundle,
    convert_series,
    history_of,
    recover_host,
    revert_series,
    revert_to,
    sign_bundle,
    status_of,
    verify_bundle,
    watch_host,
)
from lppack.pipeline.prove import Proof
from lppack.pipeline.simulate import (
    Compared,
    compare_modes,
    replay_run,
    report_place,
    sample_patch,
    simulate_patch,
    write_report,
)
from lppack.pipeline.trial import Trial

__all__ = [
    "Between",
    "Built",
    "Checked",
    "Compared",
    "Copy",
    "Drafted",
    "Proof",
    "Trial",
    "apply_bundle",
    "check",
    "check_release",
    "compare_modes",
    "convert_series",
    "history_of",
    "ids_of",
    "initramfs_for",
    "inspect_file",
    "make_bundle",
    "make_draft",
    "make_plan",
    "make_tree",
    "new_patch",
    "open_builder",
    "patches_of",
    "prove_patch",
    "replay_run",
    "recover_host",
    "report_place",
    "reserve_id",
    "revert_series",
    "revert_to",
    "sample_patch",
    "sign_bundle",
    "simulate_patch",
    "start_guest",
    "status_of",
    "verify_bundle",
    "watch_host",
    "write_report",
    "write_tree",
]
