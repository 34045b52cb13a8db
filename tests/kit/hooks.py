# SPDX-License-Identifier: MIT
"""The patch with hooks, and what its log says."""

from tests.kit.command import ROOT

PATCH = ROOT / "tests/guest/patches/hooks"
TARGETS = ("late", "later", "stranger")
UNPATCHED_HOOKS = ("barrier", "post_unpatch", "late barrier", "late post_unpatch")
