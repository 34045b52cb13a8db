# SPDX-License-Identifier: MIT
"""apply where others are at work too, or where the host fails in the middle."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from lppack import abi
from lppack.abi import PatchPhase
from lppack.engines.modules import was_forced
from lppack.errors import (
    ApplyRefused,
    ApplyReversed,
    ApplyStuck,
    HostError,
    Interrupted,
    NotConverted,
)
from lppack.hosts.protocol import Ran
from lppack.stages.apply import apply
from lppack.stages.convert import convert
from tests.kit.control import KO, MODULE, control, snapshot, stranger
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, Thread, info
from tests.kit.samples import bundle

SLEEPER = Thread(700, 701, "conn worker", stack=("schedule", "lp_conn_open", "do_syscall_64"))


class Swapped(FakeHost):
    """The file holds another module than the one whose name it has."""

    def run(self, argv: Sequence[str], *, limit: float) -> Ran:
        if argv[0] == "insmod":
            self.kernel.insmod("lppack_slabinfo_1", Patch(info=info("slabinfo", 1)))
            return Ran(rc=0, out="", err="")
        return super().run(argv, limit=limit)


def test_a_module_that_never_came_is_not_called_put_back(kernel: FakeKernel) -> None:
    host = Swapped(kernel)
    with pytest.raises(ApplyStuck, match="the file holds another module") as caught:
        apply(control(host), bundle(), KO)
    assert caught.value.exit_code == 8
    assert caught.value.hint == "see what is live: lppack status --on fake"
    assert set(kernel.patches) == {"lppack_slabinfo_1"}


def test_the_module_that_another_command_loaded_is_not_taken_for_ones_own(
    kernel: FakeKernel, host: FakeHost
) -> None:
    def say(line: str) -> None:
        if line.startswith("patch: loading"):
            kernel.insmod(MODULE, Patch(info=info()))

    with pytest.raises(ApplyRefused, match="by another command at this moment"):
        apply(control(host, say), bundle(), KO)
    assert kernel.log == [f"insmod {MODULE}", f"insmod {MODULE}"]
    assert kernel.patches[MODULE].enabled, "nor is it reversed"


def test_a_transition_that_another_command_has_just_begun_is_named(
    kernel: FakeKernel, host: FakeHost
) -> None:
    def say(line: str) -> None:
        if line.startswith("patch: loading"):
            kernel.insmod("kpatch_1", stranger())

    with pytest.raises(ApplyRefused, match="Device or resource busy") as caught:
        apply(control(host, say), bundle(), KO)
    assert str(caught.value.hint).startswith(
        "kpatch_1 is patching, and the kernel can move only one"
    )
    assert "then apply again" in str(caught.value.hint)


def test_a_forced_transition_is_not_followed_by_conversion(
    kernel: FakeKernel, host: FakeHost
) -> None:
    """Threads may run old code for ever; they would meet new data."""
    apply(control(host), bundle(), KO, convert=False)
    kernel.dmesg.append(f"[ 9.0] {abi.FORCED}")
    assert was_forced(host), "and that is noted"
    before = snapshot(host)
    with pytest.raises(ApplyRefused, match="old code may read converted data") as caught:
        convert(control(host), "conn-limit")
    assert "plan a reboot" in str(caught.value.hint)
    assert snapshot(host) == before


def test_a_transition_that_is_forced_under_apply_is_not_converted(
    kernel: FakeKernel, host: FakeHost
) -> None:
    def force() -> None:
        kernel.poll()
        kernel.dmesg.append(f"[ 9.0] {abi.FORCED}")

    kernel.clock.on_sleep = force
    with pytest.raises(NotConverted, match="a transition was forced") as caught:
        apply(control(host), bundle(), KO)
    assert caught.value.exit_code == 10
    assert kernel.log == [f"insmod {MODULE}"]


def test_a_module_that_is_there_though_insmod_was_refused_is_anothers(kernel: FakeKernel) -> None:
    """Since 6.4 the kernel may say EBUSY: module_patient_check_exists(), kernel/module/main.c."""

    class Late(FakeHost):
        def run(self, argv: Sequence[str], *, limit: float) -> Ran:
            if argv[0] == "insmod":
                self.kernel.insmod(MODULE, Patch(info=info()))
                return Ran(rc=1, out="", err="insmod: can't insert: Device or resource busy")
            return super().run(argv, limit=limit)

    with pytest.raises(ApplyRefused, match="by another command at this moment"):
        apply(control(Late(kernel)), bundle(), KO)
    assert kernel.patches[MODULE].enabled


def test_a_module_that_another_command_reverts_is_told(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.blocked[True] = (SLEEPER,)
    kernel.clock.on_sleep = lambda: kernel.patches.clear()
    with pytest.raises(ApplyReversed, match="another command has reverted and unloaded it"):
        apply(control(host), bundle(), KO)


# -- a host that fails in the middle


class Failing(FakeHost):
    """Raises ``error`` once, for the first request that ``at`` is part of."""

    def __init__(self, kernel: FakeKernel, at: str, error: int) -> None:
        super().__init__(kernel)
        self.at, self.error, self.failed = at, error, False

    def _may_fail(self, path: str) -> None:
        if self.at in path and not self.failed and self.kernel.patches:
            self.failed = True
            raise HostError(path, self.error)

    def read(self, path: str) -> str:
        self._may_fail(path)
        return super().read(path)

    def run(self, argv: Sequence[str], *, limit: float) -> Ran:
        ran = super().run(argv, limit=limit)
        self._may_fail(argv[0])
        return ran


@pytest.mark.parametrize("at", ["enabled", "transition", "info"])
def test_a_host_that_fails_in_the_transition_is_put_back(kernel: FakeKernel, at: str) -> None:
    host = Failing(kernel, f"{MODULE}/", errno.EBUSY)
    host.at = at
    with pytest.raises(ApplyReversed, match="as it was before") as caught:
        apply(control(host), bundle(), KO)
    assert os.strerror(errno.EBUSY) in caught.value.message
    assert kernel.patches == {}


def test_a_host_that_fails_after_it_is_left_patched(kernel: FakeKernel) -> None:
    host = Failing(kernel, "converted", errno.EIO)
    host.failed = True

    def say(line: str) -> None:
        host.failed = not line.startswith("converting")

    with pytest.raises(ApplyStuck, match=f"{MODULE} is patched on fake") as caught:
        apply(control(host, say), bundle(), KO)
    assert "lppack convert conn-limit --on fake, or lppack revert" in str(caught.value.hint)
    assert kernel.patches[MODULE].convert


def test_a_file_that_cannot_be_removed_afterwards_is_no_reason(kernel: FakeKernel) -> None:
    host = Failing(kernel, "rm", errno.EIO)
    assert apply(control(host), bundle(), KO).phase is PatchPhase.PATCHED
    assert host.failed


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_host_that_cannot_take_the_file_is_a_refusal(
    kernel: FakeKernel, host: FakeHost, error: int
) -> None:
    def put(source: Path, path: str, *, mode: int = 0o644) -> None:
        raise HostError(path, error)

    host.put = put  # type: ignore[method-assign]
    with pytest.raises(ApplyRefused, match="nothing was loaded") as caught:
        apply(control(host), bundle(), KO)
    assert os.strerror(error) in caught.value.message
    assert "df /run/lppack/load" in str(caught.value.hint)
    assert kernel.log == []


@pytest.mark.parametrize("how", ["as a shell", "as an agent"])
def test_a_host_without_insmod_is_a_refusal(kernel: FakeKernel, host: FakeHost, how: str) -> None:
    real = host.run

    def run(argv: Sequence[str], *, limit: float) -> Ran:
        if argv[0] != "insmod":
            return real(argv, limit=limit)
        if how == "as an agent":
            raise HostError("insmod", errno.ENOENT)
        return Ran(rc=127, out="", err="insmod: not found")

    host.run = run  # type: ignore[method-assign]
    with pytest.raises(ApplyRefused, match="insmod cannot be run on fake") as caught:
        apply(control(host), bundle(), KO)
    assert caught.value.hint == "install kmod there"


def test_an_interrupt_before_anything_was_loaded_says_so(
    kernel: FakeKernel, host: FakeHost
) -> None:
    def read(path: str) -> str:
        raise KeyboardInterrupt

    host.read = read  # type: ignore[method-assign]
    with pytest.raises(Interrupted, match="nothing was loaded on fake"):
        apply(control(host), bundle(), KO)
