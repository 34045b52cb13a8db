# SPDX-License-Identifier: MIT
"""The command line of lppack, with its containers below one control group.

Run: python -m benchmarks.below GROUP WORDS...
"""

import sys
from typing import Any

from docker.models.containers import Container, ContainerCollection

from lppack.__main__ import main

_create = ContainerCollection.create


def _below(self: ContainerCollection, image: str, *words: Any, **named: Any) -> Container:
    made: Container = _create(self, image, *words, cgroup_parent=GROUP, **named)
    return made


if __name__ == "__main__":
    GROUP = sys.argv.pop(1)
    ContainerCollection.create = _below  # type: ignore[method-assign,assignment]
    raise SystemExit(main())
