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
X, Y = "obj-$(CONFIG_X)", "obj-$(CONFIG_Y)"
IF = "ifdef CONFIG_Z\nobj-y += d.o\nelse\nobj-y += e.o\nendif\nobj-y += f.o\n"


@pytest.mark.parametrize(
    ("new", "found"),
    [
        (LIST.replace("b.o", "b.o new.o"), ({("obj-y", "new.o")}, set())),
        (LIST.replace("b.o", "\\\n\tnew.o b.o"), ({("obj-y", "new.o")}, set())),
        (LIST + f"{Y} += new.o\n", ({(Y, "new.o")}, set())),
        (LIST.replace("c.o #", "d.o #"), ({(X, "d.o")}, {(X, "c.o")})),
        (LIST.replace("b.o", "") + f"{Y} += d.o\n", ({(Y, "d.o")}, {("obj-y", "b.o")})),
        (LIST + "# more\n", None),
        (LIST.replace("b.o", ""), None),
        (LIST.replace("CONFIG_X", "CONFIG_Y"), None),
        (LIST.replace("obj-y := a.o", "obj-m := new.o a.o"), None),
        (LIST.replace("b.o", "") + f"{Y} += new.o b.o\n", None),
        (LIST + f"{Y} += new.o b.o\n", None),
        (LIST + "obj-y := new.o\n", None),
        (LIST + "obj-y += sub/\n", None),
        (LIST + "ccflags-y += -Dnew.o\n", None),
        (LIST + "ifdef CONFIG_Z\nobj-y += new.o\nendif\n", None),
    ],
)
def test_objects_that_are_new_or_gone(new: str, found: object) -> None:
    assert objects_between(LIST, new) == found


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("d.o", "new.o d.o", {("ifdef CONFIG_Z obj-y", "new.o")}),
        ("e.o", "new.o e.o", {("ifdef CONFIG_Z else obj-y", "new.o")}),
        ("f.o", "f.o new.o", {("obj-y", "new.o")}),
        ("d.o\nelse\nobj-y += e.o", "e.o\nelse\nobj-y += d.o new.o", None),
    ],
)
def test_objects_in_branches(old: str, new: str, found: object) -> None:
    made = objects_between(IF, IF.replace(old, new))
    assert made == (found and (found, set()))
