# SPDX-License-Identifier: MIT
"""The fake kernel is believed because it refuses what the kernel refuses."""

import errno

import pytest

from lppack import abi
from lppack.engines.livepatch import Livepatch
from lppack.errors import HostError
from lppack.hosts.protocol import Host
from tests.kit.fake_kernel import FakeHost, FakeKernel, Patch, Thread, as_host, info
from tests.kit.samples import bundle

MODULE = bundle().module
ENABLED, CONVERT = abi.patch_attribute(MODULE, "enabled"), abi.parameter(MODULE, "convert")


def loaded(*, complete: bool) -> tuple[FakeKernel, Host]:
    kernel = FakeKernel()
    host = FakeHost(kernel)
    assert kernel.insmod(MODULE, Patch(info=info())) is None
    if complete:
        kernel.finish()
    return kernel, as_host(host)


def refused(host: Host, path: str, text: str) -> int:
    with pytest.raises(HostError) as caught:
        host.write(path, text)
    return caught.value.errno


def test_the_value_that_is_there_is_refused() -> None:
    kernel, host = loaded(complete=True)
    assert refused(host, ENABLED, "1") == errno.EINVAL
    host.write(ENABLED, "0")
    assert refused(host, ENABLED, "0") == errno.EINVAL
    host.write(ENABLED, "1")
    kernel.finish()
    assert host.read(ENABLED) == "1\n"


def test_a_patch_that_went_has_no_directory_and_cannot_come_back() -> None:
    kernel, host = loaded(complete=True)
    host.write(ENABLED, "0")
    kernel.finish()
    assert refused(host, ENABLED, "1") == errno.ENOENT
    assert host.read(f"{abi.MODULES}/{MODULE}/initstate") == "live\n"


def test_conversion_waits_for_the_transition() -> None:
    kernel, host = loaded(complete=False)
    assert refused(host, CONVERT, "1") == errno.EBUSY
    kernel.finish()
    host.write(CONVERT, "1")
    assert host.read(CONVERT) == "1\n"
    kernel.convert_held = 1
    assert refused(host, CONVERT, "0") == errno.EAGAIN
    assert host.read(CONVERT) == "0\n"
    host.write(CONVERT, "0")


def test_one_patch_moves_at_a_time() -> None:
    kernel, host = loaded(complete=False)
    assert kernel.insmod("other", Patch(info=None)) == "Device or resource busy"
    assert kernel.insmod(MODULE, Patch(info=None)) == "File exists"
    kernel.finish()
    assert kernel.insmod("other", Patch(info=None)) is None
    assert refused(host, ENABLED, "0") == errno.EBUSY


def test_a_patch_in_use_is_not_unloaded() -> None:
    kernel, host = loaded(complete=True)
    assert "in use" in str(kernel.rmmod(MODULE))
    host.write(ENABLED, "0")
    assert "in use" in str(kernel.rmmod(MODULE))
    kernel.finish()
    assert kernel.rmmod(MODULE) is None
    assert "not currently loaded" in str(kernel.rmmod(MODULE))


def test_a_transition_ends_after_its_polls_unless_a_thread_stays() -> None:
    kernel, _ = loaded(complete=False)
    kernel.clock.sleep(1)
    assert kernel.moving == MODULE
    kernel.clock.sleep(1)
    assert kernel.moving is None
    kernel, host = loaded(complete=False)
    kernel.blocked[True] = (Thread(1, 1, "x"),)
    for _ in range(9):
        kernel.clock.sleep(1)
    assert [b.pid for b in Livepatch(host).state(MODULE).blockers] == [1]


def test_other_files_cannot_be_written() -> None:
    _, host = loaded(complete=True)
    assert refused(host, abi.parameter(MODULE, "info"), "x") == errno.EACCES
    assert refused(host, abi.parameter("absent", "convert"), "1") == errno.ENOENT
