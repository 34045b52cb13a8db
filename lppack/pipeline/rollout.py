# SPDX-License-Identifier: MIT
"""Predictions for each host before a roll-out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lppack.analyse.rollout import RolloutPlan


def rollout_plan(
    bundles: Sequence[Path], hosts: Path, *, watched: float | None, limit: float, seed: int
) -> "RolloutPlan":
    """Predict the transitions of bundles on the hosts whose data is in a folder."""
    from lppack.analyse.rollout import plan_rollout, without_files
    from lppack.stages.agreement import manifest_of
    from lppack.stages.bundle import contents, parse

    read = []
    for path in bundles:
        files = contents(path)
        read.append((parse(path, files), without_files(manifest_of(files))))
    return plan_rollout(hosts, read, watched=watched, limit=limit, seed=seed)
