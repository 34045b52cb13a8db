# SPDX-License-Identifier: MIT
from lppack.cli.agent import agent_line
from lppack.stages.agent import AgentState


def test_each_state_of_a_bundle_is_a_line_of_its_own() -> None:
    row = {"series": "x", "version": 2, "message": "why", "code": 6, "reason": "because"}
    lines = [agent_line({**row, "state": state.value}, "local") for state in AgentState]
    assert len(set(lines)) == len(AgentState)
    assert all(line.startswith("x 2: ") for line in lines)
    assert "x 2: refused (exit code 6: because)" in lines
