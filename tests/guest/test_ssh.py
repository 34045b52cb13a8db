# SPDX-License-Identifier: MIT
"""A machine that only ssh reaches; tests/soak/test_ssh.py cuts the connection at each step."""

import pytest

from lppack import pipeline
from lppack.errors import LostHost
from lppack.hosts import open_host
from lppack.stages import faults
from tests.kit.fault_points import ABSENT, GUEST, LIVE, REQUESTS, Operator, built, place_of
from tests.kit.over_ssh import cut, serving
from tests.kit.typed import section, typed

pytestmark = pytest.mark.guest


def test_the_kernel_goes_on_by_itself(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut while a thread holds the transition up, which wakes when nobody looks; and back."""
    bundle = built("livepatch", tmp_path_factory.mktemp("bundle"))
    with serving(tmp_path_factory.mktemp("ssh")) as on:
        operator, beside = Operator(bundle, "livepatch", on=on), Operator(bundle, "livepatch")
        beside.shell("echo 'wait mail' > /proc/conn 2> /dev/null & sleep 1")

        def fault(when: str, step: str) -> None:
            if (when, step) == ("after", "insmod"):
                with open_host(f"guest:{GUEST}") as guest:
                    cut(guest)

        with monkeypatch.context() as patch:
            patch.setattr(faults, "fault_wanted", lambda: fault)
            with pytest.raises(LostHost) as caught:
                operator.do("apply")
        assert f"lppack status --on {on}" in str(caught.value.hint)
        found = operator.status()
        assert place_of(found) == place_of(beside.status()) == ("patching", "off")
        assert [record["command"] for record in found["unfinished"]] == ["apply"]
        assert found["next"] == f"lppack recover --on {on}"
        beside.shell("echo 'wake mail' > /proc/conn")
        pipeline.recover_host(on, timeout=60, say=lambda _line: None)
        assert place_of(beside.status()) == LIVE
        assert operator.count(LIVE) == REQUESTS
        operator.do("revert")
        rest = operator.status()
        assert (place_of(rest), rest["unfinished"], rest["leftovers"]) == (ABSENT, [], [])
        assert operator.count(ABSENT) == REQUESTS
        done = [(r.command, r.result) for r in pipeline.history_of(on, 3)]
        assert done == [("apply", "cut-off"), ("recover", "done"), ("revert", "done")]


def test_the_session_of_the_page(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("session")
    with serving(tmp_path_factory.mktemp("ssh")):
        session = section("docs/fleet.md", "1. Another machine: `--on ssh:HOST`")
        done = [command.split()[1] for command in typed(session, folder) if "lppack" in command]
    assert {"apply", "convert", "status", "revert", "history"} <= {*done}
