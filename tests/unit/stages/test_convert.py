# SPDX-License-Identifier: MIT
"""Phase 2 alone: what it does, and what it refuses."""

import pytest

from lppack import abi
from lppack.errors import (
    ApplyRefused,
    Interrupted,
)
from lppack.stages.convert import convert
from tests.kit.control import MODULE, control, patched
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, info


def test_convert_twice_writes_once(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched(convert=False)
    first, second = (convert(control(host), "conn-limit") for _ in range(2))
    assert (first.conversion, first.changed) == ("on", True)
    assert (second.conversion, second.changed) == ("on", False)
    assert kernel.log == [f"{MODULE} convert 1"]


def test_convert_is_refused_before_the_transition_is_complete(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches[MODULE] = Patch(info=info())
    kernel.moving = MODULE
    with pytest.raises(ApplyRefused, match="is patching"):
        convert(control(host), "conn-limit")
    assert kernel.log == []


def test_convert_is_refused_where_there_is_no_data(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = patched(converts=False)
    with pytest.raises(ApplyRefused, match="no data to convert"):
        convert(control(host), "conn-limit")
    assert kernel.log == []


def left(version: int) -> Patch:
    """A version that stayed loaded, unpatched."""
    return Patch(info=info("conn-limit", version), known=False, enabled=False, complete=True)


def test_convert_clears_what_apply_would_have(kernel: FakeKernel, host: FakeHost) -> None:
    """A cumulative apply of version 2 was killed between `patched` and rmmod of version 1."""
    live = Patch(info=info(replaces=("conn-limit",)), complete=True)
    kernel.patches |= {"lppack_conn_limit_1": left(1), MODULE: live}
    said: list[str] = []
    assert convert(control(host, said.append), "conn-limit").conversion == "on"
    assert set(kernel.patches) == {MODULE}
    assert "leftover: lppack_conn_limit_1 was unpatched already, and is unloaded" in said


def test_convert_of_what_is_on_its_way_out_names_the_way_on(
    kernel: FakeKernel, host: FakeHost
) -> None:
    for phase, made in (("unpatching", Patch(info=info(), enabled=False)), ("unpatched", left(2))):
        kernel.patches[MODULE] = made
        kernel.moving = MODULE if phase == "unpatching" else None
        with pytest.raises(ApplyRefused, match=f"is {phase}") as caught:
            convert(control(host), "conn-limit")
        assert "then apply the patch again: lppack revert conn-limit" in str(caught.value.hint)


def test_what_cannot_be_reverted_is_converted_only_if_it_is_asked_for(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches[MODULE] = Patch(info=info(irreversible=True), complete=True)
    with pytest.raises(ApplyRefused, match="is irreversible") as caught:
        convert(control(host), "conn-limit")
    assert caught.value.reason == "irreversible"
    assert "lppack convert conn-limit --on fake --irreversible" in str(caught.value.hint)
    assert kernel.log == []
    assert convert(control(host), "conn-limit", irreversible=True).conversion == "on"


def test_data_that_the_stop_has_converted_is_not_converted_again(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches[MODULE] = Patch(info=info(converts=False, world=True), complete=True)
    with pytest.raises(ApplyRefused, match="in the stop that applied it") as caught:
        convert(control(host), "conn-limit")
    assert caught.value.reason == "nothing-to-convert"


def test_after_a_forced_transition_no_data_is_converted(kernel: FakeKernel, host: FakeHost) -> None:
    """Old code may run still, and would meet new data."""
    kernel.patches[MODULE] = patched(convert=False)
    kernel.dmesg = [f"[ 1.0] livepatch: {abi.FORCED}"]
    with pytest.raises(ApplyRefused, match="old code may read converted data") as caught:
        convert(control(host), "conn-limit")
    assert caught.value.reason == "no-transition-was-forced"
    assert kernel.log == []


def test_an_interrupt_while_leftovers_go_names_the_command_to_go_on_with(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches |= {"lppack_conn_limit_1": left(1), MODULE: patched(convert=False)}
    kernel.rmmod_busy, kernel.clock.interrupts = 9, {1}
    with pytest.raises(Interrupted) as caught:
        convert(control(host), "conn-limit")
    assert f"{MODULE} is patched, conversion is on" in caught.value.message
    assert "go on with: lppack convert conn-limit --on fake" in caught.value.message
