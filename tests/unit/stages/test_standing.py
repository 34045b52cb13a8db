# SPDX-License-Identifier: MIT
"""What the JSON of exit codes 7 and 8 says: where the host stands now, not where it stood."""

from typing import Any

import pytest

from lppack.errors import ApplyReversed, ApplyStuck, HostError, LppackError
from lppack.stages.apply import apply
from lppack.stages.revert import revert
from tests.kit.control import KO, MODULE, TIMEOUT, control, patched
from tests.kit.fake_kernel import FOR_EVER, FakeHost, FakeKernel, Patch, Thread, info
from tests.kit.samples import bundle

OLD = Thread(700, 700, "in old code", stack=("conn_open",))
NEW = Thread(800, 800, "in new code", stack=("lp_conn_open",))


def said(error: LppackError) -> dict[str, Any]:
    assert error.report is not None
    (patch,) = error.report["patches"]
    assert (patch["series"], patch["module"]) == ("conn-limit", MODULE)
    return dict(patch)


def blockers(patch: dict[str, Any]) -> list[tuple[str, float | None]]:
    return [(blocker["comm"], blocker["seconds"]) for blocker in patch["blockers"]]


def test_apply_reversed(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.blocked[True] = (OLD,)
    with pytest.raises(ApplyReversed) as caught:
        apply(control(host), bundle(), KO)
    patch = said(caught.value)
    assert (patch["phase"], patch["conversion"]) == ("absent", "off")
    assert blockers(patch) == [("in old code", TIMEOUT)]


def test_apply_stuck_on_the_way_back(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.blocked = {True: (OLD,), False: (NEW,)}
    with pytest.raises(ApplyStuck) as caught:
        apply(control(host), bundle(), KO)
    patch = said(caught.value)
    assert patch["phase"] == "unpatching"
    assert blockers(patch) == [("in new code", None)]
    assert "in old code" in caught.value.message


def test_revert_turned_back(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    kernel.blocked[False] = (NEW,)
    with pytest.raises(ApplyReversed) as caught:
        revert(control(host), "conn-limit")
    patch = said(caught.value)
    assert (patch["phase"], patch["conversion"]) == ("patched", "on")
    assert blockers(patch) == [("in new code", TIMEOUT)]


def test_revert_stuck(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE], kernel.moving = Patch(info=info(), enabled=False), MODULE
    kernel.blocked[False] = (NEW,)
    with pytest.raises(ApplyStuck) as caught:
        revert(control(host), "conn-limit")
    assert said(caught.value)["phase"] == "unpatching"
    assert blockers(said(caught.value)) == [("in new code", None)]


def test_revert_that_the_kernel_does_not_unload(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched()
    kernel.rmmod_busy = FOR_EVER
    with pytest.raises(ApplyStuck) as caught:
        revert(control(host), "conn-limit")
    assert said(caught.value)["phase"] == "unpatched"


def test_a_host_that_is_silent_by_then_hides_no_error(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE], kernel.moving = Patch(info=info(), enabled=False), MODULE
    kernel.blocked[False] = (NEW,)
    real = host.read

    def read(path: str) -> str:
        if kernel.clock.time >= TIMEOUT and path.endswith("transition"):
            reads.append(path)
            if len(reads) > 1:
                raise HostError(path, 5)
        return real(path)

    reads: list[str] = []
    host.read = read  # type: ignore[method-assign]
    with pytest.raises(ApplyStuck, match="it was unpatching before") as caught:
        revert(control(host), "conn-limit")
    assert caught.value.report is None
