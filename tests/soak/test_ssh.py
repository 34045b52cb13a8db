# SPDX-License-Identifier: MIT
"""A connection by ssh that is cut at each step of apply and revert."""

from collections.abc import Iterator

import pytest

from lppack import pipeline
from lppack.errors import LostHost
from lppack.hosts import open_host
from lppack.stages import faults
from tests.kit.fault_points import (
    ABSENT,
    GUEST,
    LIVE,
    REQUESTS,
    Operator,
    Place,
    built,
    place_of,
)
from tests.kit.over_ssh import cut, serving

pytestmark = pytest.mark.guest

#: Each step of both, and where the kernel has done what was asked and nobody heard of it.
CUTS = (
    *(("apply", f"before {step}") for step in ("begin", "put", "insmod", "convert-on", "end")),
    *(("apply", f"after {step}") for step in ("put", "insmod", "convert-on")),
    *(("revert", f"before {step}") for step in ("begin", "convert-off", "unpatch", "rmmod")),
    ("revert", "after unpatch"),
)


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with serving(tmp_path_factory.mktemp("ssh")) as on:
        yield Operator(built("livepatch", tmp_path_factory.mktemp("bundle")), "livepatch", on=on)


def places(operator: Operator) -> tuple[Place, Place]:
    """By ssh, and as lppack reaches the same kernel without; it may move on between the two."""
    beside = Operator(operator.bundle, operator.engine)
    for _ in range(20):
        found = place_of(operator.status()), place_of(beside.status())
        if found[0] == found[1]:
            break
    return found


@pytest.mark.parametrize(("command", "point"), CUTS, ids=[" ".join(row) for row in CUTS])
def test_the_connection_is_cut(
    operator: Operator, command: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = {"apply": ABSENT, "revert": LIVE}[command]
    operator.begin(start)

    def fault(when: str, step: str) -> None:
        if f"{when} {step}" == point:
            with open_host(f"guest:{GUEST}") as guest:
                cut(guest)

    with monkeypatch.context() as patch:
        patch.setattr(faults, "fault_wanted", lambda: fault)
        with pytest.raises(LostHost) as caught:
            operator.do(command)
        assert f"lppack status --on {operator.on}" in str(caught.value.hint)
    found = operator.status()
    by_ssh, beside = places(operator)
    assert by_ssh == beside
    if point == "before begin":
        assert (found["unfinished"], found["next"]) == ([], None)
        assert by_ssh == start
        return
    assert [record["command"] for record in found["unfinished"]] == [command]
    assert found["next"] == f"lppack recover --on {operator.on}"
    pipeline.recover_host(operator.on, timeout=60, say=lambda _line: None)
    rest = operator.status()
    assert (rest["unfinished"], rest["leftovers"], rest["next"]) == ([], [], None)
    loaded = command == "apply" and by_ssh != ABSENT
    assert place_of(rest) == (LIVE if loaded else ABSENT)
    assert operator.count(place_of(rest)) == REQUESTS
