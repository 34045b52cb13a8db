# SPDX-License-Identifier: MIT
"""A small kernel on disk, with headers and two modules, and its facts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack.kernel.facts import Facts, open_facts
from lppack.model import Kernel
from tests.kit import fake_btf
from tests.kit import fake_image as fake


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/lppack/facts"


@pytest.fixture
def kernel(tmp_path: Path, cache: Path) -> Kernel:
    root = tmp_path / "root"
    modules = root / "lib/modules" / fake.RELEASE
    (modules / "kernel").mkdir(parents=True)
    base = fake_btf.of_the_fake()
    own = fake_btf.Writer(base)
    own.function("exported", 0, [("own", own.struct("own", 4, [("id", 1, 0)]))])
    (modules / "kernel/victim-mod.ko").write_bytes(fake.module(btf=own.bytes()))
    (modules / "kernel/plain.ko").write_bytes(fake.module())
    vmlinux = fake.vmlinux(exports=fake.EXPORTS, btf=base.bytes())
    headers = root / "usr/src/headers"
    headers.mkdir(parents=True)
    (headers / "Module.symvers").write_text(
        "0x00000001\texported\tdrivers/victim-mod\tEXPORT_SYMBOL_GPL\tVICTIM\n"
    )
    return Kernel(
        release=fake.RELEASE,
        version=fake.VERSION,
        suite="bookworm",
        root=root,
        image=fake.write_image(root / f"boot/vmlinuz-{fake.RELEASE}", vmlinux),
        config=root / f"boot/config-{fake.RELEASE}",
        modules=modules,
        headers=headers,
    )


@pytest.fixture
def facts(kernel: Kernel) -> Iterator[Facts]:
    with open_facts(kernel) as facts:
        yield facts
