# SPDX-License-Identifier: MIT
"""The functions of stable_functions.txt."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Fixed:
    file: str
    function: str
    subject: str


def _read() -> tuple[Fixed, ...]:
    text = Path(__file__).with_name("stable_functions.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    found = []
    for line in lines:
        place, _, subject = line.partition(" | ")
        file, function = place.split()
        found.append(Fixed(file, function, subject))
    return tuple(found)


FIXED = _read()
