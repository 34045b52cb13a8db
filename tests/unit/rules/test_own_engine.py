# SPDX-License-Identifier: MIT
"""The names of the border to user space are those of the engine."""

import re

from lppack.resources import kmod_dir
from lppack.rules.own_engine import BORDER


def test_the_border_is_the_engines() -> None:
    source = (kmod_dir() / "engine/stack.c").read_text()
    lists = re.findall(r"lpe_(?:border|inside|works)_names\[\] = \{(.*?)\};", source, re.DOTALL)
    assert len(lists) == 3
    names = {name.split(".")[0] for text in lists for name in re.findall(r'"([^"]+)"', text)}
    assert names == BORDER
