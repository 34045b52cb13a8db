# SPDX-License-Identifier: MIT
import shutil
from pathlib import Path

import pytest

from lppack.builders import headers
from lppack.errors import EnvironmentMissing
from tests.kit.kernel_tree import RELEASE, make_kernel


def test_the_three_directories_are_found_with_their_installed_paths(tmp_path: Path) -> None:
    found = headers.find(make_kernel(tmp_path))
    assert [(part.path.name, part.installed) for part in found.parts] == [
        (f"linux-headers-{RELEASE}", f"/usr/src/linux-headers-{RELEASE}"),
        ("linux-headers-6.1.0-9-common", "/usr/src/linux-headers-6.1.0-9-common"),
        ("linux-kbuild-6.1", "/usr/lib/linux-kbuild-6.1"),
    ]


@pytest.mark.parametrize(
    "lacking",
    [
        f"usr/src/linux-headers-{RELEASE}",
        "usr/src/linux-headers-6.1.0-9-common",
        "usr/lib/linux-kbuild-6.1",
    ],
)
def test_a_hand_made_tree_that_lacks_one_is_told_which(tmp_path: Path, lacking: str) -> None:
    kernel = make_kernel(tmp_path)
    shutil.rmtree(tmp_path / lacking)
    with pytest.raises(EnvironmentMissing, match="is missing") as raised:
        headers.find(kernel)
    assert lacking in raised.value.message


def test_headers_that_lead_out_of_the_tree_are_refused(tmp_path: Path) -> None:
    kernel = make_kernel(tmp_path / "a")
    make_kernel(tmp_path / "b")
    (kernel.headers / "scripts").unlink()
    (kernel.headers / "scripts").symlink_to(tmp_path / "b/usr/lib/linux-kbuild-6.1/scripts")
    with pytest.raises(EnvironmentMissing, match="leads out of"):
        headers.find(kernel)
