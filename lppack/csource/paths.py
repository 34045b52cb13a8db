# SPDX-License-Identifier: MIT
"""Check paths of files of the kernel's sources.

Diffs are not trusted, and their paths are read, written, and passed to make and a shell.
"""

import re

from lppack.errors import AnswerIsNo

# All that the sources of v6.1 to v7.2 have are such, and less than half as long.
_PLAIN = re.compile(r"(?!(?:.*/)?\.\.?(?:/|$))[\w.+,@=-]+(?:/[\w.+,@=-]+)*", re.ASCII)
_LONGEST = 240


def check_path(path: str, where: str) -> None:
    """Raise AnswerIsNo if ``path`` is not valid; ``where`` is the place for the message."""
    if len(path) <= _LONGEST and _PLAIN.fullmatch(path):
        return
    shown = path if len(path) <= _LONGEST else f"{path[:_LONGEST]}..."
    raise AnswerIsNo(
        f"{where} names {shown!a}, which is no path of the kernel's sources",
        hint="a path has letters, digits and _ . + , @ = - between single slashes, and no part "
        'that is "." or "..", like fs/proc/base.c; in a diff it stands behind a/ and b/',
    )
