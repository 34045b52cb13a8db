# SPDX-License-Identifier: MIT
"""If several live patches replace a function, find the one that runs: the last one loaded."""

from collections.abc import Mapping, Sequence

from lppack.abi import PatchPhase
from lppack.engines.protocol import Engine, PatchState

#: (object, function)
Function = tuple[str, str]
#: Functions of one patch that run in another patch, and that patch's module.
Overridden = Mapping[Function, PatchState]

_IN_USE = (PatchPhase.PATCHING, PatchPhase.PATCHED, PatchPhase.UNPATCHING)


def overridden(engine: Engine, states: Sequence[PatchState]) -> dict[str, Overridden]:
    """Return, for each overridden module, the functions that some thread runs in a later patch.

    kernel/livepatch/patch.c: klp_patch_func() puts the newest on top of the functions, and
    klp_ftrace_handler() takes that (v6.1). A patch in transition counts, because threads that have
    switched run it.
    """
    live = [state for state in states if state.phase in _IN_USE]
    if len(live) < 2:
        return {}
    functions = {state.module: engine.replaced(state.module) for state in live}
    order = engine.load_order()
    place = {module: number for number, module in enumerate(order)}
    found: dict[str, dict[Function, PatchState]] = {}
    for above in sorted(live, key=lambda state: place.get(state.module, len(order))):
        for below in live:
            if place.get(below.module, -1) < place.get(above.module, len(order)):
                for shared in functions[below.module] & functions[above.module]:
                    if above.module != below.module:
                        found.setdefault(below.module, {})[shared] = above
    return dict(found)


def sharing(engine: Engine, states: Sequence[PatchState], state: PatchState) -> dict[Function, str]:
    """Return the functions of a patch that another live patch also replaces, and that patch's
    module."""
    others = [each for each in states if each.module != state.module and each.phase in _IN_USE]
    own = engine.replaced(state.module) if others else frozenset()
    return {
        function: other.module
        for other in others
        for function in sorted(own & engine.replaced(other.module))
    }
