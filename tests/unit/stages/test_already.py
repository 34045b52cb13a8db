# SPDX-License-Identifier: MIT
"""What is so already is no error: nothing is changed, and the JSON says so."""

from dataclasses import replace
from typing import Any

import pytest

from lppack.engines.kernel import KernelEngines
from lppack.errors import ApplyRefused
from lppack.model import Bundle
from lppack.stages.apply import Control, applied_already, apply
from lppack.stages.revert import NOT_THERE, revert
from tests.kit.control import KO, MODULE, control, patched, snapshot
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, info
from tests.kit.samples import bundle

BUILD = "D02E08A0401C393FB9E9ECF"


def made() -> Bundle:
    return replace(bundle(), srcversion=BUILD)


def live(**more: Any) -> Patch:
    return replace(patched(), srcversion=BUILD, **more)


def both(host: FakeHost) -> Control:
    return replace(control(host), engine=KernelEngines(host))


def test_the_same_build_is_applied_once(kernel: FakeKernel, host: FakeHost) -> None:
    host.modules[MODULE] = Patch(info=info(), srcversion=BUILD)
    assert apply(both(host), made(), KO).changed
    before = snapshot(host)
    again = apply(both(host), made(), KO)
    assert (again.changed, again.conversion) == (False, "on")
    assert applied_already(both(host), made(), convert=True) == again
    assert snapshot(host) == before


@pytest.mark.parametrize(
    ("patches", "why"),
    [
        ({MODULE: replace(patched(), srcversion="ANOTHER")}, "another build"),
        ({MODULE: patched()}, "already: patched"),  # which build it is cannot be told
        ({MODULE: live(convert=False)}, "already: patched"),
        ({MODULE: live(enabled=False, known=False)}, None),  # a leftover: applied anew
        ({MODULE: live(), "by_hand": Patch(info=None, functions=("conn/conn_open,1",))}, "is"),
    ],
)
def test_what_differs_is_refused_or_done(
    kernel: FakeKernel, host: FakeHost, patches: dict[str, Patch], why: str | None
) -> None:
    kernel.patches = patches
    host.modules[MODULE] = Patch(info=info(), srcversion=BUILD)
    if why is None:
        assert apply(both(host), made(), KO).changed
        return
    with pytest.raises(ApplyRefused, match=why):
        apply(both(host), made(), KO)


def test_phase_one_alone_is_enough_where_no_more_is_wanted(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.patches[MODULE] = live(convert=False)
    assert not apply(both(host), made(), KO, convert=False).changed


def test_what_is_not_there_is_told_from_a_typing_error(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.patches[MODULE] = live()
    with pytest.raises(ApplyRefused) as caught:
        revert(both(host), "other")
    assert caught.value.reason == NOT_THERE, "the command makes exit code 0 of it"
    with pytest.raises(ApplyRefused, match="conn-limt") as caught:
        revert(both(host), "conn-limt")
    assert caught.value.reason == "misspelt"
