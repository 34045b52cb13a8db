# SPDX-License-Identifier: MIT
"""A transition that is turned round in the middle, when many threads have switched and one has not:
what the visits saw."""

from lppack.abi import PatchPhase
from lppack.stages.apply import Control, settle, unload
from tests.loads.driver import Load, Patch, Row, Victim

_LIMIT = 120.0  # seconds; a guard


def turn_round(
    control: Control, victim: Victim, patch: Patch, mode: str, load: Load, *, times: int
) -> Row:
    """``times`` transitions of SWITCH_THREAD that never end, and go back."""
    row = Row(engine=control.engine.name, mode=mode, load=load.name, patch=patch.name)
    module = patch.bundle.module
    with victim.under(load):
        for _ in range(times):
            victim.tell("clear")
            with victim.held():
                now = victim.wait("visits", lambda now: now["in_flight"] >= load.in_flight)
                row.in_flight = min(row.in_flight, now["in_flight"])
                control.engine.load(module, patch.ko)
                victim.wait("new visits", lambda now: now["new"] >= load.visitors)
                assert control.engine.state(module).phase is PatchPhase.PATCHING
                control.engine.reverse(module)
                state, _ = settle(control, module, PatchPhase.UNPATCHED, _LIMIT)
                assert state.phase is PatchPhase.UNPATCHED, state
            assert unload(control, module)
            now = victim.counts()
            row.visits += now["old"] + now["new"] + now["mixed"]
            row.mixed += now["mixed"]
            row.mixed_calls += now["mixed_calls"]
            row.wrong += now["wrong"]
    return row
