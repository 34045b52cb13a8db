# SPDX-License-Identifier: MIT
import itertools
from pathlib import Path

import pytest

from lppack.debian import deb
from lppack.errors import EnvironmentMissing


def test_versions_sort_as_dpkg_sorts_them() -> None:
    # The order was taken from dpkg --compare-versions.
    ascending = [
        "1.0~~",
        "1.0~rc1",
        "1.0",
        "1.0-1",
        "1.0-1+b1",
        "1.0a",
        "1.0.1",
        "6.1.0-9-amd64",
        "6.1.0-56-amd64",
        "6.12.9-1~bpo12+1",
        "6.12.9-1",
        "6.12.117+deb12-amd64",
        "1:0.9",
    ]
    for low, high in itertools.pairwise(ascending):
        assert deb.version_key(low) < deb.version_key(high), (low, high)


def test_a_missing_revision_is_revision_zero() -> None:
    assert deb.version_key("1") == deb.version_key("1-0")


def test_control_fields_may_go_on_over_lines() -> None:
    text = "Package: hello\nDescription: short\n long one\n .\nVersion: 1-2\n\nPackage: other\n"
    assert deb.parse_control(text) == {
        "Package": "hello",
        "Description": "short\nlong one\n.",
        "Version": "1-2",
    }


def test_a_file_that_is_no_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(b"junk")
    with pytest.raises(EnvironmentMissing, match="cannot be unpacked"):
        deb.unpack(tmp_path / "x.deb", tmp_path / "out")
    with pytest.raises(EnvironmentMissing, match="not a Debian package"):
        deb.field(tmp_path / "x.deb", "Version")
