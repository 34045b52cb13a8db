# SPDX-License-Identifier: MIT
"""lppack's engine is refused on a kernel with CONFIG_PREEMPT_RT, before a guest and in it."""

import shutil
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.debian.kernels import resolve
from lppack.debian.supported import releases_of
from lppack.errors import ManifestError
from lppack.hosts.guest import boot
from lppack.model import Kernel
from tests.kit.command import EXAMPLES
from tests.loads import spoilt

pytestmark = pytest.mark.guest

PATTERN = releases_of(flavour="rt-amd64")


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return resolve(None, (PATTERN,))


@pytest.fixture
def patch(tmp_path: Path) -> Path:
    made = tmp_path / "patch"
    shutil.copytree(EXAMPLES / "proc-cmdline", made)
    manifest = made / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("6.1.0-*-amd64", PATTERN))
    return made


def test_plan_refuses_it(kernel: Kernel, patch: Path) -> None:
    with pytest.raises(ManifestError, match="CONFIG_PREEMPT_RT") as caught:
        pipeline.make_plan(patch, kernel=str(kernel.root), mode="kpatch")
    assert [problem.rule for problem in caught.value.problems] == [
        "own-engine-needs-spinning-locks"
    ]
    plan = pipeline.make_plan(patch, kernel=str(kernel.root))
    assert not plan.by_engine, "the kernel's own is not concerned"


def test_the_module_refuses_it(kernel: Kernel, tmp_path: Path) -> None:
    ko = spoilt.make(kernel, tmp_path / "engine")
    initramfs = pipeline.initramfs_for(kernel, "docker")
    with boot(kernel, work=tmp_path / "g", initramfs=initramfs) as host:
        host.put(ko, "/tmp/engine.ko")
        done = host.run(["insmod", "/tmp/engine.ko"], limit=30.0)
        assert done.rc != 0 and "not supported" in done.err, done.err
        assert "has CONFIG_PREEMPT_RT" in host.run(["dmesg"], limit=30.0).out
        assert host.faults() == ()
