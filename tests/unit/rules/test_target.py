# SPDX-License-Identifier: MIT
"""Which kernels a pattern of the manifest names."""

import pytest

from lppack.rules.target import matches


@pytest.mark.parametrize(
    ("pattern", "release", "answer"),
    [
        ("6.1.0-*-amd64", "6.1.0-56-amd64", True),
        ("6.1.0-*-amd64", "6.1.0-56-cloud-amd64", False),
        ("6.1.0-*-cloud-amd64", "6.1.0-56-cloud-amd64", True),
        ("6.1.0-*-cloud-amd64", "6.1.0-56-amd64", False),
        ("6.1.0-*-amd64", "6.1.0-56-rt-amd64", False),
        ("6.1.0-*", "6.1.0-56-amd64", False),
        ("*", "6.1.0-56-amd64", False),
        ("*", "6.1.99", True),
        ("6.1.0-5*-amd64", "6.1.0-56-amd64", True),
        ("6.1.0-5*-amd64", "6.1.0-5-amd64", True),
        ("6.1.0-5*-amd64", "6.1.0-47-amd64", False),
        ("6.*-56-amd64", "6.12.0-56-amd64", True),
        ("6.1.0-56-amd64", "6.1.0-56-amd64", True),
        ("6.1.0-56-amd64", "6.1.0-56-AMD64", False),
        ("6.1.0-56-amd64", "6x1.0-56-amd64", False),
    ],
)
def test_a_pattern_matches_whole_flavours(pattern: str, release: str, answer: bool) -> None:
    assert matches(pattern, release) is answer
