# SPDX-License-Identifier: MIT
"""A stall: who holds the transition up, in what, for how long, and what can be done."""

import pytest

from lppack.cli.patches import patch_lines
from lppack.consistency import EngineName
from lppack.engines.kernel import KernelEngines
from lppack.errors import AnswerIsNo
from lppack.stages.apply import Control
from lppack.stages.status import status
from lppack.stages.watch import watch
from tests.kit.control import MODULE
from tests.kit.fake_kernel import FOR_EVER, FakeHost, FakeKernel, Patch, Thread, info

SLEEPER = Thread(700, 701, "conn worker", stack=("schedule", "lp_conn_open", "do_syscall_64"))
SPINNER = Thread(800, 800, "spin", state="R")


def moving(kernel: FakeKernel, *, engine: str = "livepatch", enabled: bool = True) -> None:
    kernel.patches[MODULE] = Patch(info=info(engine=engine), enabled=enabled)
    kernel.moving, kernel.polls = MODULE, 3
    kernel._left = 3


@pytest.mark.parametrize(
    ("log", "seconds"),
    [
        (["[   10.5] livepatch: '{}': starting patching transition"], 32.0),
        (["[   10.5] lppack_engine: '{}': reversing transition, now unpatching"], 32.0),
        (
            [
                "[   10.5] livepatch: '{}': starting patching transition",
                "[   20.5] livepatch: '{}': starting unpatching transition",
            ],
            22.0,
        ),
        (
            [
                "[   10.5] livepatch: '{}': starting patching transition",
                "[   12.5] livepatch: '{}': patching complete",
            ],
            None,
        ),
        (["[   10.5] livepatch: 'lppack_conn_limit_22': starting patching transition"], None),
        (["[   99.5] livepatch: '{}': starting patching transition"], 0.0),  # clocks differ
        ([], None),
    ],
)
def test_how_long_a_transition_goes_on_is_in_the_kernels_log(
    kernel: FakeKernel, host: FakeHost, log: list[str], seconds: float | None
) -> None:
    kernel.uptime = 42.5
    kernel.dmesg = [line.format(MODULE) for line in log]
    moving(kernel)
    kernel.blocked[True] = (SLEEPER,)
    (patch,) = status(KernelEngines(host), "fake")
    assert patch.seconds == seconds
    assert patch.to_json()["blockers"][0]["seconds"] == seconds
    shown = "" if seconds is None else f", for {seconds:.0f} s"
    lines = patch_lines(patch)
    assert f"  blocked by conn worker (pid 700): sleeps in lp_conn_open{shown}" in lines


def test_what_is_at_rest_is_in_no_transition(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = Patch(info=info(), complete=True)
    kernel.dmesg = [f"[    1.0] livepatch: '{MODULE}': starting patching transition"]
    (patch,) = status(KernelEngines(host), "fake")
    assert patch.seconds is None


@pytest.mark.parametrize("engine", list(EngineName)[:2])
def test_it_is_shown_as_it_goes_and_ends_with_it(
    kernel: FakeKernel, host: FakeHost, engine: EngineName
) -> None:
    moving(kernel, engine=engine.value)
    said: list[str] = []
    made = Control(engine=KernelEngines(host), host=host, clock=kernel.clock, say=said.append)
    (patch,) = watch(made)
    assert patch.phase.value == "patched"
    assert said == [f"{MODULE}: patching, no thread is seen"], "once, though looked at thrice"
    assert kernel.log == []


def test_a_stall_has_an_end_and_a_way_out(kernel: FakeKernel, host: FakeHost) -> None:
    moving(kernel)
    kernel.polls = FOR_EVER
    kernel.blocked[True] = (SLEEPER, SPINNER)
    said: list[str] = []
    made = Control(
        engine=KernelEngines(host), host=host, clock=kernel.clock, say=said.append, timeout=5
    )
    with pytest.raises(AnswerIsNo) as caught:
        watch(made)
    assert said == [
        f"{MODULE}: patching, 2 threads left",
        "  conn worker (pid 700, thread 701): sleeps in lp_conn_open",
        "  spin (pid 800, thread 800): runs, and has not crossed the border to user space",
    ]
    assert caught.value.reason == "in-transition"
    assert caught.value.message == f"after 5 s on fake: {MODULE} is patching still"
    for part in (
        "conn worker (pid 700): sleeps inside lp_conn_open: cause",
        "spin (pid 800): runs",
    ):
        assert part in (caught.value.hint or "")
