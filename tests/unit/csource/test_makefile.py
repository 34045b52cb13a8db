# SPDX-License-Identifier: MIT
"""What a Makefile defines for its files."""

import pytest

from lppack.csource.makefile import defines
from lppack.kernel.config import parse_config

CONFIG = parse_config("CONFIG_DEBUG_SMALL=y\n# CONFIG_OTHER is not set\n")
MAKEFILE = """\
ccflags-y := -D_SMALL -DSIZE=4 \\
\t-I $(srctree)/$(src)/include
ccflags-$(CONFIG_DEBUG_SMALL) += -DDEBUG
ccflags-$(CONFIG_OTHER) += -DOTHER
CFLAGS_small.o += -DONE
CFLAGS_large.o += -DTWO -DPLACE=\\"$(objtree)\\"
obj-y += small.o large.o
"""


@pytest.mark.parametrize(
    ("stem", "found"),
    [
        ("small", ("_SMALL 1", "SIZE 4", "DEBUG 1", "ONE 1")),
        ("large", ("_SMALL 1", "SIZE 4", "DEBUG 1", "TWO 1")),
    ],
)
def test_of_one_file(stem: str, found: tuple[str, ...]) -> None:
    assert defines(MAKEFILE, stem, CONFIG) == found
