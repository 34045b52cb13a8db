# SPDX-License-Identifier: MIT
"""Ids of klp_states and shadow variables: hashes of names, but for what the id file reserves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lppack.model import Manifest, State
from lppack.names import stable_id

#: struct klp_state.version is an unsigned int; a later version is compatible with all before.
_ANY_VERSION = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Ids:
    """What the ids of a patch are made of. Names are those of ``lppack ids list``."""

    reserved: Mapping[str, int] = field(default_factory=dict)
    path: Path | None = None  # the id file; None: there is none

    def series(self, series: str) -> int:
        """Return the klp_state in which versions of a series find each other."""
        return self.of(series)

    def transform(self, series: str, name: str) -> int:
        """Return the klp_state that hands on what a transform has tracked."""
        return self.of(f"{series}/transform/{name}")

    def shadow(self, series: str, name: str, version: int) -> int:
        """Return the id of a shadow variable: a new layout is a new version, and so a new id."""
        return self.of(f"{series}/shadow/{name}/{version}")

    def layout(self, series: str, name: str, version: int, layout: str) -> int:
        """Return the klp_state of a shadow variable: of another layout, it is another state."""
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
    """Every name that a patch has ids for, and the id."""
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
    """One for the series, each transform and each version of a shadow variable, so that the kernel
    lets nothing take their place that does not know them in that very layout; and those of the
    series that this one replaces."""
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
        # Whatever its version is: after this one it may not come back beside it.
        *(
            State(id=number, version=_ANY_VERSION, what=f"series {series}")
            for number, series in others.items()
        ),
        *manifest.states,
    )
