# SPDX-License-Identifier: MIT
"""Fixes that are drafted from their diffs."""

from pathlib import Path

from tests.kit.command import EXAMPLES, Ran, lppack

KERNEL = "6.1.0-47-amd64"


def draft(*words: str | Path) -> Ran:
    return lppack("draft", *words, "--kernel", KERNEL, "--format", "json", limit=900.0)


def of_fix(name: str, folder: Path) -> Ran:
    return draft(EXAMPLES / f"fixes/{name}/upstream.diff", "-o", folder)


#: What becomes of the diffs of examples/fixes, unedited; tests/soak/test_drafts.py takes them all.
BUILT = (
    *("attach-filter", "disable-ipv6", "ipc-next-id", "loop-block-size", "prctl-auxv"),
    "vsock-buffer",
)
DATA = ("proc-nlink", "secretmem", "tcp-reordering")
