# SPDX-License-Identifier: MIT
"""The .rpm files in a root of their own, by rpm itself, with their scripts; no guest is needed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lppack.model import Kernel
from lppack.stages.package import Format, pack
from tests.kit.bundles import KO
from tests.kit.packages import package_in
from tests.kit.rpm_root import RpmRoot

pytestmark = pytest.mark.slow


@pytest.fixture
def root(kernel: Kernel, tmp_path: Path) -> RpmRoot:
    return RpmRoot(kernel, tmp_path / "root")


@pytest.fixture
def made(tmp_path: Path) -> Callable[[int], Path]:
    def make(version: int) -> Path:
        package = package_in(tmp_path, version=version, module=f"lppack_conn_limit_{version}")
        package = replace(package, files=dict.fromkeys(package.files, KO))
        return pack(package, Format.RPM, tmp_path / f"w{version}", tmp_path / f"o{version}")

    return make


def test_a_patch_is_installed_upgraded_and_erased(
    root: RpmRoot, made: Callable[[int], Path], tmp_path: Path
) -> None:
    name = package_in(tmp_path).name
    unit = f"{name}.service"
    start = ["daemon-reload", f"restart {unit}"]
    root.rpm("--install", made(2))
    assert root.asked() == [f"enable --quiet {unit}", *start]
    assert root.module() == ["lppack_conn_limit_2.ko"]
    assert root.rpm("--verify", name) == ""
    root.rpm("--upgrade", made(3))
    assert root.asked() == [f"enable --quiet {unit}", *start], "nothing is stopped or disabled"
    assert root.module() == ["lppack_conn_limit_3.ko"]
    root.rpm("--upgrade", "--oldpackage", made(2))
    assert root.module() == ["lppack_conn_limit_2.ko"]
    root.asked()
    helper = root.path / f"usr/lib/lppack/{name}/livepatch"
    works = helper.read_text()
    helper.write_text("#!/bin/sh\nexit 1\n")
    assert "scriptlet failed" in root.rpm("--erase", name, code=1)
    assert root.asked() == []
    assert root.module() == ["lppack_conn_limit_2.ko"], "what cannot be reverted is kept"
    helper.write_text(works)
    (root.path / "fails-stop").touch()
    root.rpm("--erase", name)
    stopped = f"stop {unit} {name}-settled.service"
    assert root.asked() == [stopped, f"disable --quiet {unit}", "daemon-reload"]
    assert root.module() == []
    assert list(root.path.rglob(f"*{name}*")) == []
    assert not (root.path / "usr/lib/lppack").exists()


def test_one_that_cannot_be_applied_says_so(root: RpmRoot, made: Callable[[int], Path]) -> None:
    """rpm keeps a package whose %post fails, with exit code 0; the next boot tries again."""
    (root.path / "fails-restart").touch()
    assert "scriptlet failed, exit status 1" in root.rpm("--install", made(2))
    assert root.module() == ["lppack_conn_limit_2.ko"]
