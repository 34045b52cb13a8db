# SPDX-License-Identifier: MIT
"""Ids of klp_states and shadow variables: hashes of names, unless the id file reserves other
ids."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lppack.model import Manifest, State
from lppack.names import stable_id

#: struct klp_state.version is an unsigned int; a version is compatible with all earlier ones.
_ANY_VERSION = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of a patch. ``lppack ids list`` prints their names."""

    reserved: Mapping[str, int] = field(default_factory=dict)
    path: Path | None = None  # the id file; None: there is none

    def series(self, series: str) -> int:
        """Return the id of the klp_state that all versions of a series share."""
        return self.of(series)

    def transform(self, series: str, name: str) -> int:
        """Return the id of the klp_state that passes a transform's tracked objects to the next
        version."""
        return self.of(f"{series}/transform/{name}")

    def shadow(self, series: str, name: str, version: int) -> int:
        """Return the id of a shadow variable; a new layout needs a new version, and so has a new
        id."""
        return self.of(f"{series}/shadow/{name}/{version}")

    def layout(self, series: str, name: str, version: int, layout: str) -> int:
        """Return the id of a shadow variable's klp_state; another layout has another id."""
        known = self.reserved.get(f"{series}/layout/{name}/{version}")
        return known or stable_id("layout", series, name, str(version), layout)

    def of(self, name: str) -> int:
        """Return the id that belongs to a name, reserved or not."""
        return self.reserved.get(name) or default(name)


def default(name: str) -> int:
    """Return the id of a name that no file reserves."""
    match name.split("/"):
        case [series]:
            return stable_id("series", series)
        case [series, "transform", transform]:
            return stable_id("transform", series, transform)
        case [series, "shadow", variable, version]:
            return stable_id("shadow", series, variable, version)
    return stable_id("reserved", name)


def names_of(manifest: Manifest, layouts: Mapping[str, str], ids: Ids) -> dict[str, int]:
    """Return every name for which a patch has an id, and the id."""
    series = manifest.name
    names = {series: ids.series(series)}
    for transform in manifest.transforms:
        names[f"{series}/transform/{transform.name}"] = ids.transform(series, transform.name)
    for var in manifest.shadow_variables:
        place = f"{var.name}/{var.version}"
        names[f"{series}/shadow/{place}"] = ids.shadow(series, var.name, var.version)
        names[f"{series}/layout/{place}"] = ids.layout(
            series, var.name, var.version, layouts.get(var.type, var.type)
        )
    return names


def states_of(manifest: Manifest, layouts: Mapping[str, str], ids: Ids) -> tuple[State, ...]:
    """Return the klp_states of a patch.

    There is one for the series, for each transform, for each version of a shadow variable, and for
    each series that this one replaces. The kernel refuses a replacement that lacks one of them.
    """
    names = names_of(manifest, layouts, ids)
    name, version = manifest.name, manifest.version
    others = {ids.series(series): series for series in manifest.replaces}
    others.pop(names[name], None)
    return (
        State(id=names[name], version=version, what="the series"),
        *(
            State(
                id=names[f"{name}/transform/{t.name}"], version=version, what=f"transform {t.name}"
            )
            for t in manifest.transforms
        ),
        *(
            State(
                id=names[f"{name}/layout/{var.name}/{var.version}"],
                version=1,
                what=f"shadow variable {var.name} {var.version}",
            )
            for var in manifest.shadow_variables
        ),
        # For any version: the replaced series may not be loaded again beside this patch.
        *(
            State(id=number, version=_ANY_VERSION, what=f"series {series}")
            for number, series in others.items()
        ),
        *manifest.states,
    )
