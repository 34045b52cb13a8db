# SPDX-License-Identifier: MIT
import pytest

from tests.kit.fake_kernel import FakeHost, FakeKernel


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def host(kernel: FakeKernel) -> FakeHost:
    return FakeHost(kernel)
