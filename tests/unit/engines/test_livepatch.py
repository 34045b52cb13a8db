# SPDX-License-Identifier: MIT
"""The kernel's own engine: what becomes of a write that takes too long."""

import errno

import pytest

from lppack import abi
from lppack.abi import PatchPhase
from lppack.engines.livepatch import Livepatch
from lppack.errors import HostError
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, info
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
