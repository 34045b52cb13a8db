# SPDX-License-Identifier: MIT
"""An engine on a guest, and bundles for it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lppack import abi, pipeline
from lppack.abi import PatchPhase
from lppack.consistency import EngineName
from lppack.engines.kernel import KernelEngines
from lppack.hosts.guest import GuestHost
from lppack.model import Bundle
from lppack.stages.apply import Control, undo
from lppack.stages.bundle import extract
from tests.kit.command import EXAMPLES
from tests.kit.target import Target

Make = Callable[..., tuple[Bundle, Path]]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    def build(name: str, engine: str, mode: str) -> tuple[Bundle, Path]:
        folder = tmp_path_factory.mktemp("bundle")
        plan = pipeline.make_plan(EXAMPLES / name, engine=engine, mode=mode)
        made = pipeline.make_bundle(plan, folder, builder="docker", on_line=lambda _line: None)
        extract(made.path, folder / "files")
        return made.bundle, folder / "files"

    return build


def controlled(guest: GuestHost, engine: EngineName) -> Iterator[Control]:
    made = Control(engine=KernelEngines(guest, engine), host=guest, timeout=60.0)
    yield made
    for state in made.engine.patches():
        if state.info:
            undo(made, state.module)
        assert made.engine.state(state.module).phase is PatchPhase.ABSENT
    assert abi.ENGINE not in guest.list(abi.MODULES), "it came with a patch, and goes with it"


def asleep_in(target: Target, function: str, count: int = 1) -> None:
    end = time.monotonic() + 20
    while target.sh(f"cat /proc/[0-9]*/stack 2> /dev/null | grep -c ' {function}+'") != str(count):
        assert time.monotonic() < end
        time.sleep(0.1)
