# SPDX-License-Identifier: MIT
"""The kernel's own engine: what becomes of a write that takes too long."""

import errno

import pytest

from lppack import abi
from lppack.abi import PatchPhase
from lppack.engines.livepatch import Livepatch
from lppack.errors import HostError
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, Thread, info
from tests.kit.samples import bundle

MODULE = bundle().module


class SlowHost(FakeHost):
    """Does what is written, and tells of an error all the same."""

    error = errno.ETIMEDOUT

    def write(self, path: str, text: str) -> None:
        super().write(path, text)
        raise HostError(path, self.error)


def patched() -> SlowHost:
    host = SlowHost(FakeKernel())
    assert host.kernel.insmod(MODULE, Patch(info=info())) is None
    host.kernel.finish()
    return host


def test_the_kernel_goes_on_with_a_write_that_was_given_up() -> None:
    host = patched()
    engine = Livepatch(host)
    engine.reverse(MODULE)
    assert engine.state(MODULE).phase is PatchPhase.UNPATCHING


def test_any_other_error_is_told() -> None:
    host = patched()
    host.error = errno.EBUSY
    with pytest.raises(HostError, match=abi.patch_attribute(MODULE, "enabled")):
        Livepatch(host).reverse(MODULE)


def test_the_name_of_a_thread_moves_no_terminals_cursor() -> None:
    """Any user names threads: prctl(PR_SET_NAME)."""
    kernel = FakeKernel(blocked={True: (Thread(7, 7, "x\x1b[2J"),)})
    assert kernel.insmod(MODULE, Patch(info=info())) is None
    [blocker] = Livepatch(FakeHost(kernel)).state(MODULE).blockers
    assert blocker.comm == "x\ufffd[2J"
