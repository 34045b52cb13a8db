# SPDX-License-Identifier: MIT
"""Leftovers: modules that stayed loaded after their patch was unpatched. They have no effect."""

from collections.abc import Iterable

from lppack.abi import PatchPhase
from lppack.engines.protocol import PatchState
from lppack.stages.drive import Control, unload, why_loaded


def leftovers(states: Iterable[PatchState], series: Iterable[str]) -> tuple[PatchState, ...]:
    """Return the modules of lppack that belong to one of ``series`` and are unpatched."""
    names = frozenset(series)
    return tuple(
        state
        for state in states
        if state.phase is PatchPhase.UNPATCHED and state.info.series in names
    )


def clear(control: Control, found: Iterable[PatchState]) -> frozenset[str]:
    """Unload leftovers; return the modules that the kernel does not unload."""
    held = set()
    for state in found:
        gone = unload(control, state.module)
        control.say(
            f"leftover: {state.module} was unpatched already, and "
            f"{'is unloaded' if gone else why_loaded(control, state.module)}"
        )
        if not gone:
            held.add(state.module)
    return frozenset(held)


def family(state: PatchState) -> frozenset[str]:
    """Return the series of a patch, and the series that it replaces."""
    return frozenset({str(state.info.series), *map(str, state.info.replaces)})
