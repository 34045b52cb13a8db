# SPDX-License-Identifier: MIT
"""Fixtures: one guest for all tests of a folder, and what they load into it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.abi import PatchPhase
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.engines.livepatch import Livepatch
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Bundle, Kernel
from lppack.stages.apply import Control, undo
from lppack.stages.bundle import extract
from lppack.stages.test import load_targets
from tests.kit.command import EXAMPLES
from tests.kit.debug_checks import boot_checked, complaints
from tests.kit.target import Target
from tools import debug_kernel

#: A suite, not a release: the newest kernel of Debian 12.
PATTERNS = (releases_of(),)


@pytest.fixture(scope="session")
def checked(pytestconfig: pytest.Config) -> bool:
    """With --debug-kernel: KASAN, lockdep and other checkers watch."""
    return bool(pytestconfig.getoption("--debug-kernel"))


@pytest.fixture(scope="session")
def kernel(checked: bool) -> Kernel:
    return resolve(str(debug_kernel.ensure()), ()) if checked else resolve(None, PATTERNS)


@pytest.fixture(scope="session")
def initramfs(kernel: Kernel) -> Path:
    return pipeline.initramfs_for(kernel, "docker")


@pytest.fixture(scope="session")
def guest(
    kernel: Kernel, checked: bool, initramfs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GuestHost]:
    work = tmp_path_factory.mktemp("g")
    if not checked:
        with boot(kernel, work=work, initramfs=initramfs) as host:
            yield host
        return
    with boot_checked(kernel, work=work, initramfs=initramfs) as host:
        yield host
        assert complaints(host) == ()


@pytest.fixture(autouse=True)
def clean_console(request: pytest.FixtureRequest, checked: bool) -> Iterator[None]:
    """An oops, WARN, lockup or stall fails the test that saw it; so does a checker that is off."""
    yield
    if "guest" in request.fixturenames:
        host: GuestHost = request.getfixturevalue("guest")
        assert (complaints(host) if checked else host.faults()) == ()


@pytest.fixture(scope="session")
def built(
    kernel: Kernel, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, bool], tuple[Bundle, Path]]:
    """Builds an example, with test points or without: the bundle, and where it was extracted."""

    def build(name: str, test_points: bool) -> tuple[Bundle, Path]:
        folder = tmp_path_factory.mktemp("bundle")
        plan = pipeline.make_plan(EXAMPLES / name, kernel=str(kernel.root), test_points=test_points)
        made = pipeline.make_bundle(plan, folder, builder="docker", on_line=lambda _line: None)
        extract(made.path, folder / "files")
        return made.bundle, folder / "files"

    return build


@pytest.fixture
def control(guest: GuestHost) -> Iterator[Control]:
    """An engine on the shared guest; whatever a test leaves behind is undone."""
    made = Control(engine=Livepatch(guest), host=guest, timeout=60.0)
    yield made
    for state in made.engine.patches():
        if state.info:
            undo(made, state.module)
        assert made.engine.state(state.module).phase is PatchPhase.ABSENT


@pytest.fixture(scope="module")
def loaded(guest: GuestHost, built: Callable[[str, bool], tuple[Bundle, Path]]) -> Iterator[Target]:
    bundle, files = built("conn-limit", True)
    load_targets(guest, bundle, files)
    yield Target(guest, bundle, files)
    assert guest.run(["rmmod", "conn"], limit=20.0).rc == 0


@pytest.fixture
def target(loaded: Target) -> Iterator[Target]:
    """The target with `web` and `mail` alone, nothing counted."""
    yield loaded
    for name in loaded.words():
        loaded.tell(f"wake {name}")
        loaded.sh(f"echo 'reset {name}' > /proc/conn")
        if name not in ("web", "mail"):
            loaded.tell(f"close {name}")


TRIXIE = releases_of("6.12")
