# SPDX-License-Identifier: MIT
"""status --check: whether what is applied is in effect, as one exit code."""

from collections.abc import Callable

import pytest

from lppack import abi
from lppack.engines.kernel import KernelEngines
from lppack.errors import AnswerIsNo
from lppack.stages.health import require_live
from lppack.stages.host_status import host_status
from tests.kit.control import MODULE, patched, stranger
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, info

OVER = Patch(info=None, functions=("conn/conn_open,1",), complete=True)


def check(host: FakeHost) -> None:
    require_live(host_status(KernelEngines(host), host))


@pytest.mark.parametrize(
    "patches",
    [
        {},
        {MODULE: patched()},
        {MODULE: patched(), "kpatch_1": stranger()},
        {"kpatch_1": Patch(info=None, enabled=False)},  # what it does is not ours to judge
    ],
)
def test_what_is_in_effect(kernel: FakeKernel, host: FakeHost, patches: dict[str, Patch]) -> None:
    kernel.patches = patches
    check(host)


def _moving(kernel: FakeKernel) -> None:
    kernel.patches[MODULE], kernel.moving = Patch(info=info()), MODULE


def _forced(kernel: FakeKernel) -> None:
    kernel.patches[MODULE] = patched()
    kernel.dmesg.append(abi.FORCED)


BAD: dict[str, tuple[Callable[[FakeKernel], object], str]] = {
    "not-converted": (
        lambda k: k.patches.update({MODULE: patched(convert=False)}),
        "phase 2 is still to do",
    ),
    "leftover": (
        lambda k: k.patches.update({MODULE: Patch(info=info(), enabled=False, known=False)}),
        "is unpatched, and still loaded",
    ),
    "in-transition": (
        _moving,
        "is patching",
    ),
    "overridden": (
        lambda k: k.patches.update({MODULE: patched(), "by_hand": OVER}),
        "conn_open of conn runs in by_hand",
    ),
    "forced": (
        _forced,
        "was forced",
    ),
}


@pytest.mark.parametrize("reason", BAD)
def test_what_is_not(kernel: FakeKernel, host: FakeHost, reason: str) -> None:
    prepare, says = BAD[reason]
    prepare(kernel)
    with pytest.raises(AnswerIsNo) as caught:
        check(host)
    assert (caught.value.exit_code, caught.value.reason) == (9, reason)
    assert says in caught.value.message
    assert caught.value.report is not None
    assert [patch["module"] for patch in caught.value.report["patches"]][-1:] == [MODULE]


def test_a_module_that_is_not_loaded_is_no_fault(kernel: FakeKernel, host: FakeHost) -> None:
    """It is patched when it comes, before anything runs in it."""
    made = Patch(info=info(engine="consistency", mode="kgraft"), complete=True, hooked=False)
    made.functions, made.convert = ("conn/a,1",), True
    kernel.patches[MODULE] = made
    check(host)


def test_a_fix_that_never_comes_into_effect_is_one(kernel: FakeKernel, host: FakeHost) -> None:
    """It says that it is in effect once data is converted, and the patch converts none."""
    kernel.patches[MODULE] = patched(converts=False)
    with pytest.raises(AnswerIsNo, match="CVE-2 is not live") as caught:
        check(host)
    assert caught.value.reason == "not-live"
