# SPDX-License-Identifier: MIT
"""A file before and after a change."""

PATH = "fs/a.c"


BEFORE = """\
#include "a.h"

int first(int x)
{
\treturn x;
}

int second(int x)
{
\tif (x)
\t\treturn 1;
\treturn first(x);
}
"""


AFTER = BEFORE.replace("\treturn x;", "\tif (x < 0)\n\t\treturn 0;\n\treturn x;").replace(
    "\t\treturn 1;", "\t\treturn 2;"
)
