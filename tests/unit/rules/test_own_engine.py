# SPDX-License-Identifier: MIT
"""The names of the border to user space are those of the engine."""

import re

from lppack import abi
from lppack.debian.supported import SUPPORTED
from lppack.resources import kmod_dir
from lppack.rules.own_engine import BORDER


def test_the_border_is_the_engines() -> None:
    source = (kmod_dir() / "engine/stack.c").read_text()
    lists = re.findall(r"lpe_(?:border|inside|works)_names\[\] = \{(.*?)\};", source, re.DOTALL)
    assert len(lists) == 3
    names = {name.split(".")[0] for text in lists for name in re.findall(r'"([^"]+)"', text)}
    assert names == BORDER


def test_the_module_and_plan_refuse_the_same_kernels() -> None:
    source = (kmod_dir() / "engine/support.c").read_text()
    series = re.findall(r"!LPE_IS_SERIES\((\d+), (\d+)\)", source)
    assert [(int(major), int(minor)) for major, minor in series] == [*abi.KERNELS_OF_THE_ENGINE]
    tried = [one.series for one in SUPPORTED if "refused" not in one.own_engine]
    assert tried == [f"{major}.{minor}" for major, minor in abi.KERNELS_OF_THE_ENGINE]
