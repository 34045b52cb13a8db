# SPDX-License-Identifier: MIT
"""Private headers come out of the kernel's own sources, and nothing else does."""

from dataclasses import replace
from pathlib import Path

import pytest

from lppack import store
from lppack.debian.linux_source import package_of, private_headers, source_file
from lppack.errors import EnvironmentMissing
from tests.kit.fake_source import FILES, SourcePackage
from tests.kit.samples import kernel

KERNEL = kernel()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_the_headers_right_in_a_folder() -> None:
    [(name, file)] = private_headers(KERNEL, ["mm"], source=SourcePackage())
    assert name == "mm/slab.h"
    assert file.read_bytes() == FILES["mm/slab.h"]


def test_the_package_is_fetched_once() -> None:
    source = SourcePackage()
    private_headers(KERNEL, ["mm"], source=source)
    found = private_headers(KERNEL, ["mm", "mm/deep", "net/mac80211"], source=source)
    assert [name for name, _ in found] == ["mm/deep/er.h", "mm/slab.h", "net/mac80211/sta_info.h"]
    assert source.downloads == ["linux-source-6.1=6.1.192-2"]


def test_a_folder_without_headers_is_told_with_what_is_near() -> None:
    with pytest.raises(EnvironmentMissing) as caught:
        private_headers(KERNEL, ["mm", "net/mac8021"], source=SourcePackage())
    assert 'there is no header in "net/mac8021" of linux-source-6.1 6.1.192-2' in str(caught.value)
    assert caught.value.hint == "did you mean net/mac80211?"
    every = (path.name for path in (store.cache_dir() / "sources").glob("*/*"))
    kept = {name for name in every if not name.endswith((".lock", ".sums"))}
    assert kept == {"linux-source.tar.xz", "tree"}, "nothing half-made is kept"


def test_a_kernel_that_is_from_no_package() -> None:
    with pytest.raises(EnvironmentMissing, match="are not known"):
        package_of(replace(KERNEL, package=None))


@pytest.mark.parametrize(
    "path", ["mm/none.h", "mm", "../linux-source.tar.xz", "a\0b", "x" * 300, ""]
)
def test_what_is_no_file_of_the_sources_is_none(path: str) -> None:
    package, source = package_of(KERNEL), SourcePackage()
    assert source_file(package, "mm/slab.h", source=source) == FILES["mm/slab.h"]
    assert source_file(package, path, source=source) is None
