# SPDX-License-Identifier: MIT
"""What scripts read of a refusal: a word that stays, where the sentence may be written anew."""

from collections.abc import Callable

import pytest

from lppack import abi
from lppack.cli.output import error_json
from lppack.errors import ApplyRefused, HostError, LppackError
from lppack.rules.registry import HOST
from lppack.stages.apply import apply
from lppack.stages.convert import convert
from lppack.stages.revert import revert
from tests.kit.command import check_shape
from tests.kit.control import KO, MODULE, control, patched, stranger
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, info
from tests.kit.samples import bundle


def _live(name: str, made: Patch) -> Callable[[FakeKernel], object]:
    return lambda kernel: kernel.patches.update({name: made})


def _moving(kernel: FakeKernel) -> None:
    kernel.patches["kpatch_1"], kernel.moving = stranger(), "kpatch_1"


APPLY: dict[str, Callable[[FakeKernel], object]] = {
    "already-applied": _live(MODULE, patched()),
    "kernel-is-the-one": lambda kernel: setattr(kernel, "release", "6.1.0-57-amd64"),
    "ftrace-is-on": lambda kernel: setattr(kernel, "ftrace", "0"),
    "no-other-transition": _moving,
    "series-is-not-live": _live("lppack_conn_limit_1", Patch(info=info(version=1), complete=True)),
    "function-is-not-replaced": _live(
        "kpatch_1", Patch(info=None, functions=("conn/conn_syn,1",), complete=True)
    ),
    "module-is-not-loaded": _live(MODULE, Patch(info=info(), complete=True, srcversion="AA")),
    "no-transition-was-forced": lambda kernel: kernel.dmesg.append(abi.FORCED),
    "kernel-refused": lambda kernel: setattr(kernel, "refuses", "Exec format error"),
}


@pytest.mark.parametrize("reason", APPLY)
def test_apply(kernel: FakeKernel, host: FakeHost, reason: str) -> None:
    APPLY[reason](kernel)
    with pytest.raises(ApplyRefused) as caught:
        apply(control(host), bundle(srcversion="BB"), KO)
    assert caught.value.reason == reason


def test_a_rule_is_its_own_reason() -> None:
    ids = {entry.id for entry in HOST.entries()}
    assert ids & set(APPLY) == set(APPLY) - {"already-applied", "kernel-refused"}


def test_revert_and_convert(kernel: FakeKernel, host: FakeHost) -> None:
    with pytest.raises(ApplyRefused) as caught:
        revert(control(host), "conn-limit")
    assert caught.value.reason == "no-such-series"
    kernel.patches["kpatch_1"] = stranger()
    with pytest.raises(ApplyRefused) as caught:
        revert(control(host), "kpatch_1")
    assert caught.value.reason == "not-lppacks"
    kernel.patches[MODULE] = patched(converts=False)
    with pytest.raises(ApplyRefused) as caught:
        convert(control(host), "conn-limit")
    assert caught.value.reason == "nothing-to-convert"
    _moving(kernel)
    kernel.patches[MODULE], kernel.moving = Patch(info=info()), MODULE
    with pytest.raises(ApplyRefused) as caught:
        convert(control(host), "conn-limit")
    assert caught.value.reason == "not-patched"


@pytest.mark.parametrize("error", [HostError("/x", 5), ApplyRefused("x"), LppackError("x")])
def test_every_error_has_one(error: LppackError) -> None:
    check_shape("error", error_json(error))
    assert error_json(error)["error"]["reason"] == error.kind
