# SPDX-License-Identifier: MIT
"""What an agent keeps for each host; what it fetches is in test_agent.py."""

from pathlib import Path

import pytest

from lppack.errors import EnvironmentMissing
from lppack.pipeline.agent_files import AgentFiles, folder
from lppack.stages.agent import AgentOutcome, AgentState
from lppack.stages.agent_policy import Policy
from lppack.stages.journal import JournalRecord
from tests.kit.journal import record

POLICY = Policy(
    source="",
    signers=Path(),
    ring=None,
    not_before=None,
    hold=frozenset(),
    timeout=60,
    metrics=None,
)
WANTED = AgentOutcome(file="f.lpp", series="conn-limit", version=2, state=AgentState.WANTED)


def test_each_host_has_a_folder_of_its_own() -> None:
    hosts = ("local", "simulated", "guest:a", "ssh:a", "ssh:r@[::1]:2")
    assert len({folder(on) for on in hosts}) == len(hosts)
    assert folder("ssh:../../x").parent == folder() / "on"


def files(on: str) -> AgentFiles:
    return AgentFiles(folder=folder(on), policy=POLICY)


def test_what_is_held_stays_so_when_the_journal_has_forgotten_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    applied, reverted = record("apply", version=2), record("revert")
    others = [record("apply", version=1, series="x", result="refused")] * 500

    def state(*records: JournalRecord, on: str = "guest:a") -> AgentState:
        [outcome] = files(on).guarded([WANTED], records)
        return outcome.state

    assert state(applied) is AgentState.WANTED
    assert state(applied, reverted) is AgentState.HELD
    assert state(*others) is AgentState.HELD
    assert state(*others, on="guest:b") is AgentState.WANTED, "each host has its own"
    assert state(applied, on="local") is AgentState.WANTED
    assert state(*others) is AgentState.HELD
    assert state(*others, applied) is AgentState.WANTED, "a person has applied it again"
    assert state(*others) is AgentState.WANTED
    (folder("guest:a") / "held.json").write_text("{")
    with pytest.raises(EnvironmentMissing, match="what is held on this host is not known"):
        state(applied)
