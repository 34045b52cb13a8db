# SPDX-License-Identifier: MIT
"""One suite, every engine: the simulator is believed only because it passes what kernels pass."""

import pytest

from lppack.consistency import ModeName
from lppack.model import Bundle
from tests.contract.world import InGuest, InMemory, World
from tests.kit.guest import (
    built,
    checked,
    clean_console,
    control,
    guest,
    initramfs,
    kernel,
    loaded,
    target,
)
from tests.kit.samples import bundle

__all__ = [
    "built",
    "checked",
    "clean_console",
    "control",
    "guest",
    "initramfs",
    "kernel",
    "loaded",
    "target",
]

_SIMULATED = [f"simulated-{mode}" for mode in ModeName if mode is not ModeName.NULL_MODEL]
_REAL = [pytest.param("livepatch", marks=pytest.mark.guest)]


def conn_limit(mode: ModeName) -> Bundle:
    """The example conn-limit, as a bundle of no file."""
    names = ("conn_free", "conn_syn", "conn_ack", "conn_wait", "conn_limit_show")
    return bundle(
        series="conn-limit",
        version=1,
        module="lppack_conn_limit_1",
        mode=mode,
        converts=True,
        functions=tuple(("conn", name) for name in names),
    )


@pytest.fixture(params=[*_SIMULATED, *_REAL])
def world(request: pytest.FixtureRequest) -> World:
    engine = str(request.param)
    if engine.startswith("simulated"):
        return InMemory(conn_limit(ModeName(engine.removeprefix("simulated-"))))
    return InGuest(request.getfixturevalue("target"), request.getfixturevalue("control"))
