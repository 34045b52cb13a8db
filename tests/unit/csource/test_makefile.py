# SPDX-License-Identifier: MIT
"""What a Makefile defines for its files, and which objects it names."""

import pytest

from lppack.csource.makefile import defines, objects_between
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


LIST = "obj-y := a.o \\\n\tb.o\nobj-$(CONFIG_X) += c.o # with c.o\n"


@pytest.mark.parametrize(
    ("new", "found"),
    [
        (LIST.replace("b.o", "b.o new.o"), ({"new.o"}, set())),
        (LIST.replace("b.o", "\\\n\tnew.o b.o"), ({"new.o"}, set())),
        (LIST + "obj-$(CONFIG_Y) += new.o\n", ({"new.o"}, set())),
        (LIST.replace("c.o #", "d.o #"), ({"d.o"}, {"c.o"})),
        (LIST + "# more\n", None),
        (LIST.replace("b.o", ""), None),
        (LIST.replace("CONFIG_X", "CONFIG_Y"), None),
        (LIST.replace("obj-y := a.o", "obj-m := new.o a.o"), None),
        (LIST + "obj-y += sub/\n", None),
        (LIST + "ccflags-y += -Dnew.o\n", None),
    ],
)
def test_objects_that_are_new_or_gone(new: str, found: object) -> None:
    assert objects_between(LIST, new) == found
