# SPDX-License-Identifier: MIT
"""A cumulative patch takes the place of what it names, and of nothing else."""

import json

import pytest

from lppack.abi import PatchPhase
from lppack.errors import ApplyRefused, ApplyReversed, ApplyStuck, Interrupted
from lppack.model import Effective, Fix
from lppack.stages.apply import apply, refuse_early, rehearse
from lppack.stages.revert import revert
from tests.kit.control import KO, MODULE, control, stranger
from tests.kit.fake_kernel import FOR_EVER, FakeHost, FakeKernel, Patch, Thread, info
from tests.kit.samples import bundle

BEFORE = "lppack_conn_limit_1"
HELD = (Fix(cve="CVE-1", commit=None, functions=(), effective=Effective.PATCHED),)
CUMULATIVE = bundle(
    replaces=("conn-limit",),
    fixes=(*HELD, Fix(cve="CVE-2", commit=None, functions=(), effective=Effective.CONVERTED)),
)


@pytest.fixture(autouse=True)
def version_1(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[BEFORE] = Patch(info=info(version=1), complete=True, convert=True, converted=3)
    host.modules[MODULE] = Patch(info=info(replaces=("conn-limit",)))


def test_what_it_replaces_is_unloaded(kernel: FakeKernel, host: FakeHost) -> None:
    said: list[str] = []
    report = apply(control(host, said.append), CUMULATIVE, KO)
    assert kernel.log == [f"insmod {MODULE}", f"rmmod {BEFORE}", f"{MODULE} convert 1"]
    assert report.phase is PatchPhase.PATCHED
    assert f"replaced: {BEFORE} is unloaded" in said


def test_a_dry_run_says_what_would_be_replaced(kernel: FakeKernel, host: FakeHost) -> None:
    said: list[str] = []
    rehearse(control(host, said.append), CUMULATIVE)
    assert (
        f"would replace {BEFORE}, which is live: it is unloaded when the transition is complete"
        in said
    )
    assert kernel.log == [], "nothing was loaded"
    kernel.patches[BEFORE].known = False
    said.clear()
    rehearse(control(host, said.append), CUMULATIVE)
    assert not any("would be replaced" in line for line in said), "a leftover is not live"


def test_a_module_that_the_kernel_holds_is_told(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.rmmod_busy = FOR_EVER
    said: list[str] = []
    apply(control(host, said.append), CUMULATIVE, KO)
    why = "the kernel does not let the module go; its log may say why: dmesg"
    assert f"replaced: {BEFORE} is unpatched, and {why}" in said


def test_a_stranger_is_not_removed(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches["kpatch_1"] = stranger()
    with pytest.raises(ApplyRefused, match="kpatch_1"):
        apply(control(host), CUMULATIVE, KO)
    assert kernel.log == []


def test_a_time_out_leaves_version_1(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.blocked = {True: (Thread(1, 1, "busy"),)}
    with pytest.raises(ApplyReversed):
        apply(control(host), CUMULATIVE, KO)
    assert set(kernel.patches) == {BEFORE}
    assert kernel.patches[BEFORE].known


def test_ctrl_c_after_version_1_is_gone_goes_no_further(kernel: FakeKernel, host: FakeHost) -> None:
    """To revert would take the fixes of version 1 away too."""
    kernel.rmmod_busy = FOR_EVER
    kernel.clock.interrupts = {kernel.polls + 2}  # while version 1 is being unloaded
    with pytest.raises(Interrupted, match=f"has replaced {BEFORE}; go on with: lppack convert"):
        apply(control(host), CUMULATIVE, KO)
    assert kernel.patches[MODULE].enabled


def test_ctrl_c_before_leaves_version_1(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.clock.interrupts = {1}
    with pytest.raises(Interrupted, match="as it was before"):
        apply(control(host), CUMULATIVE, KO)
    assert kernel.patches[BEFORE].known


def test_another_command_that_took_all_of_it_away_is_not_called_put_back(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.blocked = {True: (Thread(1, 1, "busy"),)}
    kernel.clock.on_sleep = lambda: kernel.patches.clear()
    with pytest.raises(ApplyStuck, match=f"{BEFORE}, which it had replaced, is no longer live"):
        apply(control(host), CUMULATIVE, KO)


def test_revert_says_what_is_lost(kernel: FakeKernel, host: FakeHost) -> None:
    said: list[str] = []
    apply(control(host), CUMULATIVE, KO)
    revert(control(host, said.append), "conn-limit")
    assert said[-1].endswith("no longer live: CVE-1, CVE-2")


def test_revert_names_what_was_live_and_each_by_some_name(
    kernel: FakeKernel, host: FakeHost
) -> None:
    fixes = [
        {"cve": None, "commit": "1f2e3d", "functions": ["a"], "effective": "patched"},
        {"cve": None, "commit": None, "functions": ["a", "b"], "effective": "patched"},
        {"cve": "CVE-9", "commit": None, "functions": ["c"], "effective": "converted"},
    ]
    kernel.patches[MODULE] = Patch(
        info=json.dumps({**json.loads(info(replaces=("conn-limit",))), "fixes": fixes}),
        complete=True,
    )
    said: list[str] = []
    revert(control(host, said.append), MODULE)
    assert said[-1].endswith("no longer live: 1f2e3d, a, b"), "CVE-9 was not converted"


def test_a_fix_that_is_dropped_is_named_before(kernel: FakeKernel, host: FakeHost) -> None:
    said: list[str] = []
    refuse_early(control(host, said.append), bundle(replaces=("conn-limit",), fixes=HELD))
    (line,) = said
    assert line.startswith(f"warning: {BEFORE} fixes CVE-2; conn-limit 2")
    kernel.patches[BEFORE].known = False
    said.clear()
    refuse_early(control(host, said.append), bundle(replaces=("conn-limit",), fixes=HELD))
    assert said == [], "what is not in use fixes nothing"
