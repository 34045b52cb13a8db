# SPDX-License-Identifier: MIT
"""The guest of these tests runs the debug kernel; what is imported here is made for it anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack.debian.kernels import resolve
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Kernel
from tests.debug.checks import BOOT, MEMORY, WORDS, complaints
from tests.guest.conftest import (  # noqa: F401 (fixtures)
    built,
    control,
    initramfs,
    loaded,
    target,
)
from tools import debug_kernel


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    return resolve(str(debug_kernel.ensure()), ())


@pytest.fixture(scope="session")
def guest(
    kernel: Kernel,
    initramfs: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[GuestHost]:
    with boot(
        kernel,
        work=tmp_path_factory.mktemp("g"),
        initramfs=initramfs,
        cmdline=WORDS,
        memory_mb=MEMORY,
        limit=BOOT,
    ) as host:
        host.limit = 120.0
        yield host
        assert complaints(host) == ()


@pytest.fixture(autouse=True)
def clean_console(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a checker reports fails the test that was running, and so does a checker that is off."""
    yield
    if "guest" in request.fixturenames:
        assert complaints(request.getfixturevalue("guest")) == ()
