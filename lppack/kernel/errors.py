# SPDX-License-Identifier: MIT
"""What can go wrong while kernel facts are read."""

from lppack.errors import LppackError


class FactsError(LppackError):
    """A kernel image, module or config could not be read with certainty. Nothing was done.

    Any check that fails while data is decoded raises this: a missing fact is better than a wrong
    one.
    """

    exit_code = 4
    kind = "facts"
