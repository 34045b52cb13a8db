# SPDX-License-Identifier: MIT
"""The table of measured costs of a call, the only place with these figures.

COMMAND measures them, and prints rows of this table.
"""

import re
from dataclasses import dataclass

from lppack.errors import EnvironmentMissing

COMMAND = "invoke bench calls"
#: A call that is not redirected.
UNPATCHED = "not patched"
#: Suffix of a path: the patch replaces several functions in this object.
SEVERAL = ", one of several"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Instructions of one call on one kernel, with those of the loop around it, which is in all."""

    release: str
    version: str
    #: ("not patched" or "ENGINE MODE", median, least, most)
    paths: tuple[tuple[str, float, float, float], ...]

    @property
    def command(self) -> str:
        """Return the command that measured it."""
        return COMMAND

    @property
    def series(self) -> str:
        return series_of(self.release)

    @property
    def unpatched(self) -> float:
        return next(median for path, median, _, _ in self.paths if path == UNPATCHED)

    @property
    def added(self) -> dict[str, float]:
        """Return what each way of redirecting a call adds to it."""
        return {
            path: median - self.unpatched for path, median, _, _ in self.paths if path != UNPATCHED
        }


MEASURED: tuple[Measured, ...] = (
    Measured(
        release="6.1.0-57-amd64",
        version="6.1.192-3",
        paths=(
            ("not patched", 7.0, 7.0, 7.0),
            ("consistency null-model", 49.0, 49.0, 49.0),
            ("consistency null-model, one of several", 53.0, 53.0, 53.0),
            ("livepatch hybrid", 86.0, 86.0, 86.0),
            ("consistency hybrid", 49.0, 49.0, 49.0),
            ("consistency hybrid, one of several", 53.0, 53.0, 53.0),
            ("consistency kpatch", 49.0, 49.0, 49.0),
            ("consistency kpatch, one of several", 53.0, 53.0, 53.0),
            ("consistency refcount", 49.0, 49.0, 49.0),
            ("consistency refcount, one of several", 53.0, 53.0, 53.0),
            ("consistency kgraft", 49.0, 49.0, 49.0),
            ("consistency kgraft, one of several", 53.0, 53.0, 53.0),
            ("consistency checkpoint", 49.0, 49.0, 49.0),
            ("consistency checkpoint, one of several", 53.0, 53.0, 53.0),
        ),
    ),
    Measured(
        release="6.12.118+deb13-amd64",
        version="6.12.118-1",
        paths=(
            ("not patched", 8.0, 8.0, 8.0),
            ("consistency null-model", 55.0, 55.0, 55.0),
            ("consistency null-model, one of several", 59.0, 59.0, 59.0),
            ("livepatch hybrid", 95.0, 95.0, 95.0),
            ("consistency hybrid", 55.0, 55.0, 55.0),
            ("consistency hybrid, one of several", 59.0, 59.0, 59.0),
            ("consistency kpatch", 55.0, 55.0, 55.0),
            ("consistency kpatch, one of several", 59.0, 59.0, 59.0),
            ("consistency refcount", 55.0, 55.0, 55.0),
            ("consistency refcount, one of several", 59.0, 59.0, 59.0),
            ("consistency kgraft", 55.0, 55.0, 55.0),
            ("consistency kgraft, one of several", 59.0, 59.0, 59.0),
            ("consistency checkpoint", 55.0, 55.0, 55.0),
            ("consistency checkpoint, one of several", 59.0, 59.0, 59.0),
        ),
    ),
    Measured(
        release="7.2.12+deb13-amd64",
        version="7.2.12-1~bpo13+1",
        paths=(
            ("not patched", 8.0, 8.0, 8.0),
            ("livepatch hybrid", 94.0, 94.0, 94.0),
        ),
    ),
)


def series_of(release: str) -> str:
    found = re.match(r"\d+\.\d+(?!\d)", release)
    return found[0] if found else release


def measured_for(release: str) -> Measured:
    """Return the row for ``release``, or the newest of its series. Raise EnvironmentMissing."""
    same = [one for one in MEASURED if one.series == series_of(release)]
    if not same:
        known = ", ".join(one.release for one in MEASURED)
        raise EnvironmentMissing(
            f"no call was measured on a kernel like {release}",
            hint=f"measured were {known}: give --kernel with one of these, or measure it "
            f"in lppack's source tree: {COMMAND}",
        )
    return next((one for one in same if one.release == release), same[-1])
