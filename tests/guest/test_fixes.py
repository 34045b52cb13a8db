# SPDX-License-Identifier: MIT
"""The fixes of examples/fixes: what their programs see of the defects, and of the patches."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.debian.kernels import resolve
from lppack.hosts.guest import boot
from lppack.stages.test import fits
from tests.kit.fixes import BOOT, OLD, SEEN, Reproducers
from tests.kit.guest import PATTERNS
from tests.kit.spoilt_fixes import SPOILT, all_steps_are_right

pytestmark = pytest.mark.guest

#: One of each kind; tests/soak/test_fixes.py takes them all.
HERE = ("prctl-auxv", "ipc-next-id", "binfmt-misc", "secretmem")


@pytest.fixture
def reproducers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reproducers]:
    kernel = resolve(request.param, PATTERNS)
    initramfs = pipeline.initramfs_for(kernel, "docker")
    work = tmp_path_factory.mktemp("g")
    with boot(kernel, work=work, initramfs=initramfs, cmdline=BOOT) as host:
        yield Reproducers(host, kernel)
        assert host.faults() == ()


def others(said: dict[str, str], wanted: dict[str, str]) -> dict[str, str]:
    """What was said where something else was wanted."""
    return {name: text for name, text in said.items() if not fits(wanted[name], text)}


@pytest.mark.parametrize("reproducers", [OLD], indirect=True)
def test_the_old_kernel_has_each_defect(reproducers: Reproducers) -> None:
    said = reproducers.say()
    assert others(said, {name: seen.defect for name, seen in SEEN.items()}) == {}
    assert others(said, {name: seen.fixed for name, seen in SEEN.items()}) == said


@pytest.mark.parametrize("reproducers", [None], indirect=True)
def test_the_newest_kernel_has_none(reproducers: Reproducers) -> None:
    said = reproducers.say()
    assert others(said, {name: seen.fixed for name, seen in SEEN.items()}) == {}
    assert others(said, {name: seen.defect for name, seen in SEEN.items()}) == said


@pytest.mark.parametrize("name", HERE)
def test_a_fix_comes_and_goes(name: str) -> None:
    all_steps_are_right(name)


def test_an_open_file_that_is_left_out_is_seen(tmp_path: Path) -> None:
    SPOILT[0].check(tmp_path)
