# SPDX-License-Identifier: MIT
"""The host behind its live patches."""

from pathlib import Path

import pytest

from lppack import abi
from lppack.cli.patches import left_undone
from lppack.consistency import EngineName
from lppack.engines.livepatch import Livepatch
from lppack.stages.changing import changing
from lppack.stages.host_status import host_status
from tests.kit.command import check_shape
from tests.kit.control import MODULE, patched
from tests.kit.fake_kernel import FakeHost, FakeKernel
from tests.kit.mortal import both, look, mortal
from tests.kit.samples import RELEASE


def test_status_names_the_command_that_is_at_work(tmp_path: Path) -> None:
    host = mortal(tmp_path)
    with changing(both(host, EngineName.LIVEPATCH), "apply x.lpp", {}):
        found = look(host, EngineName.LIVEPATCH)
        assert found.at_work is not None
        assert found.at_work.command == "lppack apply x.lpp"
        assert found.next == f"wait for {found.at_work}"
        assert left_undone(found)[0].startswith("at work: lppack apply x.lpp (pid ")
        check_shape("patches", {"ok": True, "patches": [], **found.to_json()})
    assert look(host, EngineName.LIVEPATCH).at_work is None


@pytest.mark.parametrize(
    ("path", "text", "preempts"),
    [
        (abi.PREEMPTION, "none voluntary (full)\n", "full"),
        (abi.PREEMPTION, "full (lazy)\n", "lazy"),
        (abi.PREEMPTION, "none (voluntary) full\n", None),
        (abi.COMMAND_LINE, "quiet preempt=full ro\n", "full"),
    ],
)
def test_which_reverts_may_mix_is_told(
    kernel: FakeKernel,
    host: FakeHost,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    text: str,
    preempts: str | None,
) -> None:
    kernel.patches[MODULE] = patched()
    shown = host.files
    monkeypatch.setattr(host, "files", lambda: {**shown(), path: text})
    found = host_status(Livepatch(host), host)
    assert (found.preempts, found.to_json()["preempts"]) == (preempts, preempts)
    assert found.mixing == ((MODULE,) if preempts else ())


def test_a_kernel_without_live_patching_is_no_healthy_one(
    kernel: FakeKernel, host: FakeHost
) -> None:
    found = host_status(Livepatch(host), host)
    assert (found.kernel, found.can_patch, found.patches) == (RELEASE, False, ())
    kernel.patches[MODULE] = patched()
    found = host_status(Livepatch(host), host)
    assert (found.can_patch, len(found.patches)) == (True, 1)
