# SPDX-License-Identifier: MIT
"""What is written to the journal."""

from dataclasses import replace
from typing import Any

from lppack.stages.journal import JournalRecord


def record(command: str, **more: Any) -> JournalRecord:
    base = JournalRecord(
        id="x", command=command, host="local", user="root", pid=1, boot="b", began="2026"
    )
    return replace(base, **{"series": "conn-limit", "result": "done", **more})
