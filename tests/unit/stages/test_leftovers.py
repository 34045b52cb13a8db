# SPDX-License-Identifier: MIT
"""Modules that stayed loaded, unpatched, after a command died."""

import pytest

from lppack.abi import PatchPhase
from lppack.errors import ApplyRefused
from lppack.stages.apply import apply
from lppack.stages.convert import convert
from lppack.stages.revert import revert
from tests.kit.control import KO, MODULE, control, patched
from tests.kit.fake_kernel import FOR_EVER, FakeHost, FakeKernel, Patch, info
from tests.kit.samples import bundle

BEFORE = "lppack_conn_limit_1"


def left(version: int = 1, series: str = "conn-limit") -> Patch:
    """A version whose place was taken, by a command that died before it unloaded the module."""
    return Patch(
        info=info(series, version), known=False, enabled=False, complete=True, convert=True
    )


@pytest.fixture
def killed(kernel: FakeKernel) -> FakeKernel:
    """A cumulative apply of version 2 was killed between `patched` and rmmod of version 1."""
    live = Patch(info=info(replaces=("conn-limit", "older")), complete=True)
    kernel.patches |= {BEFORE: left(), "lppack_older_4": left(4, "older"), MODULE: live}
    return kernel


def test_a_series_that_is_there_twice_is_not_guessed(killed: FakeKernel, host: FakeHost) -> None:
    with pytest.raises(ApplyRefused) as caught:
        revert(control(host), "conn-limit")
    assert caught.value.exit_code == 6
    assert f"{BEFORE} is unpatched, {MODULE} is patched" in caught.value.message
    assert f"unload what is not in use: lppack revert {BEFORE} --on fake" in str(caught.value.hint)
    assert f"live patch back: lppack revert {MODULE} --on fake" in str(caught.value.hint)
    assert killed.log == []


def test_the_leftover_goes_and_the_fix_stays(killed: FakeKernel, host: FakeHost) -> None:
    said: list[str] = []
    revert(control(host, said.append), BEFORE)
    assert killed.log == [f"rmmod {BEFORE}"]
    assert said == [f"unloaded: {BEFORE} is gone"], "nothing was reverted"
    assert control(host).report(MODULE).phase is PatchPhase.PATCHED


def test_the_live_patch_goes_with_all_leftovers(killed: FakeKernel, host: FakeHost) -> None:
    revert(control(host), MODULE)
    assert killed.patches == {}


def test_without_a_live_version_the_series_is_clear(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches |= {BEFORE: left(), MODULE: left(2), "lppack_other_1": left(1, "other")}
    assert revert(control(host), "conn-limit").module == MODULE
    assert set(kernel.patches) == {"lppack_other_1"}


def test_a_dead_module_of_its_own_is_loaded_anew(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches |= {MODULE: left(2), BEFORE: left(), "lppack_other_1": left(1, "other")}
    assert apply(control(host), bundle(), KO).phase is PatchPhase.PATCHED
    assert kernel.log[:3] == [f"rmmod {BEFORE}", f"rmmod {MODULE}", f"insmod {MODULE}"]
    assert set(kernel.patches) == {MODULE, "lppack_other_1"}


def test_a_dead_module_that_the_kernel_keeps_is_a_refusal(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches[MODULE] = left(2)
    kernel.rmmod_busy = FOR_EVER
    with pytest.raises(ApplyRefused, match="does not let the module go") as caught:
        apply(control(host), bundle(), KO)
    assert f"lppack revert {MODULE} --on fake" in str(caught.value.hint)
    assert f"insmod {MODULE}" not in kernel.log


def test_what_another_command_loads_meanwhile_is_not_fought_over(
    kernel: FakeKernel, host: FakeHost
) -> None:
    """Between two tries of rmmod the module is live: it is left alone at once."""
    kernel.patches |= {BEFORE: left(), MODULE: patched()}
    kernel.rmmod_busy = FOR_EVER
    kernel.clock.on_sleep = lambda: kernel.patches.update({BEFORE: patched()})
    convert(control(host), "conn-limit")
    assert kernel.log.count(f"rmmod {BEFORE}") == 1


def test_a_leftover_does_not_convert(killed: FakeKernel, host: FakeHost) -> None:
    assert control(host).report(BEFORE).to_json()["conversion"] == "off"
