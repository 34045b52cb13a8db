# SPDX-License-Identifier: MIT
"""status names the one command to go on with, and that command brings the host to rest."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from lppack import abi
from lppack.abi import PatchPhase
from lppack.cli.patches import patch_lines
from lppack.engines.kernel import KernelEngines
from lppack.stages.apply import Control
from lppack.stages.convert import convert
from lppack.stages.revert import revert
from lppack.stages.status import status
from tests.kit.control import MODULE, control, patched, stranger
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, Thread, info

REVERT = "lppack revert conn-limit --on fake"


def both(host: FakeHost) -> Control:
    return replace(control(host), engine=KernelEngines(host))


def step(host: FakeHost) -> str | None:
    (patch,) = status(KernelEngines(host), host.name)
    assert patch.to_json()["next"] == patch.next_step
    return patch.next_step


def text(host: FakeHost) -> list[str]:
    (patch,) = status(KernelEngines(host), host.name)
    return patch_lines(patch)


def test_what_is_live_needs_nothing(kernel: FakeKernel, host: FakeHost) -> None:
    for made in (patched(), patched(converts=False), stranger()):
        kernel.patches = {MODULE: made}
        assert step(host) is None
        assert "next:" not in "".join(text(host))


def test_what_is_patched_alone_is_converted(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched(convert=False)
    todo = f"phase 2 is still to do: lppack convert conn-limit --on fake, or: {REVERT}"
    assert step(host) == todo
    assert text(host)[-1] == f"  next: {todo}"
    convert(both(host), "conn-limit")
    assert step(host) is None


def test_what_was_forced_is_not_converted(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched(convert=False)
    kernel.dmesg.append(abi.FORCED)
    assert step(host) == f"plan a reboot; until then take it back: {REVERT}"


def _moving(kernel: FakeKernel, *, enabled: bool) -> None:
    kernel.patches[MODULE], kernel.moving = Patch(info=info(), enabled=enabled), MODULE


@pytest.mark.parametrize(
    ("begin", "todo"),
    [
        (lambda k: _moving(k, enabled=True), f"wait, or take it back: {REVERT}"),
        (lambda k: _moving(k, enabled=False), f"wait, or complete it: {REVERT}"),
        (
            lambda k: k.patches.update({MODULE: Patch(info=info(), enabled=False, known=False)}),
            f"unload it: lppack revert {MODULE} --on fake",
        ),
    ],
)
def test_what_is_half_way_is_brought_to_rest(
    kernel: FakeKernel, host: FakeHost, begin: Callable[[FakeKernel], object], todo: str
) -> None:
    begin(kernel)
    assert step(host) == todo
    named = todo.partition("lppack revert ")[2].partition(" --on")[0]
    assert revert(both(host), named).phase is PatchPhase.ABSENT
    assert kernel.patches == {}


def test_a_transition_that_nobody_is_seen_to_hold_up_says_so(
    kernel: FakeKernel, host: FakeHost
) -> None:
    _moving(kernel, enabled=True)
    assert "  no thread blocks the transition at this moment" in text(host)
    kernel.blocked[True] = (Thread(7, 7, "sh"),)
    assert "at this moment" not in "".join(text(host))


def test_what_the_engine_gave_up_is_said(kernel: FakeKernel, host: FakeHost) -> None:
    made = Patch(info=info(engine="consistency", mode="kgraft"), enabled=False)
    made.problem = "no end within 6000 ms"
    kernel.patches[MODULE] = made
    assert "  the engine gave up the last transition: no end within 6000 ms" in text(host)
    (patch,) = status(KernelEngines(host), host.name)
    assert patch.to_json()["problem"] == "no end within 6000 ms"
