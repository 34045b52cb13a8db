# SPDX-License-Identifier: MIT
"""A command dies, or a request fails, at each of its steps: status is right, and one command
brings the host to rest. tests/guest/test_faults.py does the same to real kernels."""

import re
import tempfile
from pathlib import Path

import pytest

from lppack.abi import PatchPhase
from lppack.consistency import EngineName
from lppack.errors import EnvironmentMissing, HostError, LppackError
from lppack.stages.changing import changing
from lppack.stages.faults import STEPS, fault_wanted, no_fault
from lppack.stages.revert import revert
from tests.kit.control import MODULE
from tests.kit.fake_kernel import FakeHost
from tests.kit.mortal import Died, both, history, look, mortal, recovered, rest, run

ENGINES = (EngineName.LIVEPATCH, EngineName.CONSISTENCY)


def before(host: FakeHost, engine: EngineName, command: str) -> None:
    if command == "revert":
        run(host, engine, "apply")
    elif command == "convert":
        run(host, engine, "apply --phase patch")


def points(engine: EngineName, command: str) -> list[str]:
    """The steps of a run without faults, with begin and end."""
    seen: list[str] = []

    def note(when: str, step: str) -> None:
        if when == "before":
            seen.append(step)

    with tempfile.TemporaryDirectory() as folder:
        host = mortal(Path(folder))
        before(host, engine, command)
        run(host, engine, command, note)
    return list(dict.fromkeys(seen))


ALL = [
    pytest.param(engine, command, when, step, id=f"{engine.value}-{command}-{when}-{step}")
    for engine in ENGINES
    for command in ("apply", "convert", "revert")
    for step in points(engine, command)
    for when in ("before", "after")
]


def test_every_step_is_tried() -> None:
    assert [step for step in STEPS if step not in {p.values[3] for p in ALL}] == ["patch"], (
        "to patch again is a step of a revert that did not end in time: below"
    )
    assert {p.values[3] for p in ALL} <= set(STEPS)


@pytest.mark.parametrize(("engine", "command", "when", "step"), ALL)
def test_it_dies_there(
    tmp_path: Path, engine: EngineName, command: str, when: str, step: str
) -> None:
    host = mortal(tmp_path)
    before(host, engine, command)

    def fault(now: str, at: str) -> None:
        if (now, at) == (when, step):
            host.dead = True
            raise Died

    with pytest.raises(Died):
        run(host, engine, command, fault)
    host.dead = False
    found = look(host, engine)
    begun = (when, step) != ("before", "begin")
    ended = (when, step) == ("after", "end")
    assert len(found.unfinished) == (begun and not ended)
    assert (found.next == "lppack recover --on fake") == bool(found.unfinished or found.leftovers)
    for patch in found.patches:
        assert patch.recover == (found.next if found.unfinished else None)
    recovered(host, engine)
    wanted = "absent" if command == "revert" else "patched"
    if not begun or (command == "apply" and host.kernel.log.count(f"insmod {MODULE}") == 0):
        wanted = {"apply": "absent", "revert": "patched", "convert": "unconverted"}[command]
    if wanted == "unconverted":
        (patch,) = look(host, engine).patches
        assert (patch.phase, patch.conversion) == (PatchPhase.PATCHED, "off"), "it was on purpose"
        return
    assert rest(host, engine) == wanted
    if begun:
        found_again = [record for record in history(host) if record.command == command]
        assert found_again[-1].result == ("done" if ended else "cut-off")


@pytest.mark.parametrize(("engine", "command", "when", "step"), ALL)
def test_it_fails_there(
    tmp_path: Path, engine: EngineName, command: str, when: str, step: str
) -> None:
    """The command itself names the way on, or has put the host to rest; status says the same."""
    host = mortal(tmp_path)
    before(host, engine, command)

    def fault(now: str, at: str) -> None:
        if (now, at) == (when, step):
            raise HostError(at, 5, "fault point")

    try:
        run(host, engine, command, fault)
    except LppackError as error:
        assert error.exit_code in (6, 7, 8, 10), error.message
        assert error.exit_code in (6, 7) or error.hint
    found = look(host, engine)
    assert found.unfinished == (), "it has ended by itself"
    for patch in found.patches:
        step_on = patch.next_step or ""
        if patch.phase is not PatchPhase.PATCHED:
            named = re.search(r"lppack revert (\S+) --on fake", step_on)
            assert named, step_on
            with changing(both(host, engine), "revert", {}) as alone:
                revert(alone, named[1])
        elif patch.conversion == "off":
            assert "lppack convert conn-limit --on fake" in step_on
            run(host, engine, "convert")
    if found.next:
        assert found.next == "lppack recover --on fake"
        recovered(host, engine)
    rest(host, engine)


def test_the_variable_names_a_fault_point(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fault_wanted() is no_fault
    monkeypatch.setenv("LPPACK_FAULT", "fail after insmod")
    fault_wanted()("before", "insmod")
    with pytest.raises(HostError):
        fault_wanted()("after", "insmod")
    for wrong in ("fail after lunch", "kill insmod", "burn after insmod"):
        monkeypatch.setenv("LPPACK_FAULT", wrong)
        with pytest.raises(EnvironmentMissing, match="is not a fault point"):
            fault_wanted()
