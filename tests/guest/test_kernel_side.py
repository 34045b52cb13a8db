# SPDX-License-Identifier: MIT
"""What the kernel side of a patch promises, against a kernel that runs."""

import dataclasses
import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lppack import abi, pipeline
from lppack.abi import PatchPhase
from lppack.errors import ApplyRefused, HostError
from lppack.model import Bundle, Kernel
from lppack.stages.apply import Control, apply, settle
from lppack.stages.bundle import extract
from lppack.stages.revert import revert
from lppack.stages.status import status
from tests.kit.command import EXAMPLES

pytestmark = pytest.mark.guest

Build = Callable[[str, bool], tuple[Bundle, Path]]


@pytest.fixture(scope="module")
def cmdline(built: Build) -> tuple[Bundle, Path]:
    bundle, files = built("proc-cmdline", False)
    return bundle, files / f"{bundle.module}.ko"


def test_info_tells_what_the_plan_said(
    control: Control, cmdline: tuple[Bundle, Path], kernel: Kernel
) -> None:
    bundle, ko = cmdline
    apply(control, bundle, ko)
    info = json.loads(control.host.read(abi.parameter(bundle.module, "info")))
    assert (info["series"], info["version"]) == ("proc-cmdline", 1)
    assert (info["engine"], info["mode"]) == ("livepatch", "hybrid")
    assert (info["release"], info["kernel"]) == (kernel.release, kernel.version)
    assert info["kernel"] == control.host.read(abi.VERSION).strip()
    [report] = status(control.engine, control.host.name)
    assert (report.series, report.phase, report.conversion) == (
        "proc-cmdline",
        PatchPhase.PATCHED,
        "none",
    )


def test_a_patch_without_data_cannot_be_converted(
    control: Control, cmdline: tuple[Bundle, Path]
) -> None:
    apply(control, *cmdline)
    with pytest.raises(HostError) as caught:
        control.engine.convert(cmdline[0].module, on=True)
    assert caught.value.errno == errno.EOPNOTSUPP
    control.engine.convert(cmdline[0].module, on=False)


def test_the_exact_version_is_checked_at_load(
    control: Control, kernel: Kernel, cmdline: tuple[Bundle, Path], tmp_path: Path
) -> None:
    """The same release, of another package version: vermagic alone would let it in."""
    other = kernel.version.replace("Debian", "debian")
    assert other != kernel.version
    bundle = dataclasses.replace(cmdline[0], kernel_version=other)
    ko = tmp_path / cmdline[1].name
    ko.write_bytes(cmdline[1].read_bytes().replace(kernel.version.encode(), other.encode()))
    with pytest.raises(ApplyRefused):
        apply(control, bundle, ko)
    # Past lppack's own check, the module refuses by itself.
    with pytest.raises(ApplyRefused) as caught:
        control.engine.load(bundle.module, ko)
    assert "built for" in str(caught.value.hint)
    assert control.engine.state(bundle.module).phase is PatchPhase.ABSENT


def test_what_is_applied_is_not_applied_again(
    control: Control, cmdline: tuple[Bundle, Path]
) -> None:
    apply(control, *cmdline)
    assert not apply(control, *cmdline).changed
    assert control.engine.state(cmdline[0].module).phase is PatchPhase.PATCHED
    revert(control, "proc-cmdline")
    with pytest.raises(ApplyRefused):
        revert(control, "proc-cmdline")


def test_a_second_version_of_a_series_is_refused_by_us_and_by_itself(
    control: Control, kernel: Kernel, cmdline: tuple[Bundle, Path], tmp_path: Path
) -> None:
    """Each would free and reverse what the other one tracks."""
    folder = Path(shutil.copytree(EXAMPLES / "proc-cmdline", tmp_path / "second"))
    manifest = folder / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("version: 1", "version: 2"))
    plan = pipeline.make_plan(folder, kernel=str(kernel.root))
    built = pipeline.make_bundle(plan, tmp_path, builder="docker", on_line=lambda _line: None)
    extract(built.path, tmp_path / "files")
    ko = tmp_path / "files" / f"{plan.module}.ko"
    apply(control, *cmdline)
    with pytest.raises(ApplyRefused) as caught:
        apply(control, built.bundle, ko)
    assert "revert it first" in str(caught.value.hint)
    with pytest.raises(ApplyRefused) as caught:
        control.engine.load(plan.module, ko)
    assert "another version of this series is live" in str(caught.value.hint)
    assert control.engine.state(cmdline[0].module).phase is PatchPhase.PATCHED
    revert(control, "proc-cmdline")
    apply(control, built.bundle, ko)
    stranger = dataclasses.replace(cmdline[0], series="other")
    with pytest.raises(ApplyRefused) as caught:
        apply(control, stranger, cmdline[1])
    assert "cmdline_proc_show of vmlinux is replaced by" in caught.value.message


def test_a_reversed_unpatching_is_patched_again(
    control: Control, cmdline: tuple[Bundle, Path]
) -> None:
    """post_patch runs again: the phase is told by the kernel, not remembered."""
    bundle, ko = cmdline
    apply(control, bundle, ko)
    control.engine.reverse(bundle.module)
    if control.engine.state(bundle.module).phase is PatchPhase.UNPATCHING:
        control.engine.reverse(bundle.module)
        state, _ = settle(control, bundle.module, PatchPhase.PATCHED, 30.0)
        assert state.phase is PatchPhase.PATCHED
        control.engine.convert(bundle.module, on=False)  # EBUSY unless complete


def test_ftrace_switched_off_is_refused_early(
    control: Control, cmdline: tuple[Bundle, Path]
) -> None:
    control.host.write(abi.FTRACE_ENABLED, "0")
    try:
        with pytest.raises(ApplyRefused) as caught:
            apply(control, *cmdline)
        assert "ftrace_enabled" in caught.value.message
    finally:
        control.host.write(abi.FTRACE_ENABLED, "1")
    apply(control, *cmdline)
