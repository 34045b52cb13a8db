# SPDX-License-Identifier: MIT
"""Pairs, and what became of them."""

from pathlib import Path
from typing import Any

from lppack.pipeline.pairs import Outcome, Pair, PairState


def pair(name: str = "a", kernel: str | None = "6.1") -> Pair:
    return Pair(patch=Path(name), kernel=kernel)


def made(state: PairState, code: int = 0, **more: Any) -> Outcome:
    return Outcome(pair=pair(more.pop("name", "a")), state=state, kernel="6.1", code=code, **more)
