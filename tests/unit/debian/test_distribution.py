# SPDX-License-Identifier: MIT
"""Debian as a distribution: each part is a module of its room, imported when it is used."""

import subprocess
import sys

import pytest

from lppack.debian import debug, images, kernels, linux_source
from lppack.debian.distribution import Debian
from lppack.debian.supported import SUPPORTED
from lppack.distributions.protocol import Images
from lppack.rules.target import matches

#: In a Python of its own, where nothing else has imported them.
_ALONE = """
import sys
from lppack.debian.distribution import Debian
made = Debian()
room = "lppack.debian."
before = {name for name in sys.modules if name.startswith(room)}
made.%s
print(sorted({name for name in sys.modules if name.startswith(room)} - before))
"""


def test_each_part_is_a_module_of_the_room() -> None:
    made = Debian()
    assert (made.kernels, made.sources, made.debug) == (kernels, linux_source, debug)
    found: Images = made.images
    assert found is images


def test_unasked_it_is_the_first_of_the_supported_kernels() -> None:
    pattern = Debian().default_kernels
    assert matches(pattern, SUPPORTED[0].pattern().replace("*", "57"))
    assert not any(matches(pattern, one.pattern().replace("*", "57")) for one in SUPPORTED[1:])


@pytest.mark.parametrize(("part", "imports"), [("name", False), ("kernels", True)])
def test_what_is_not_used_is_not_imported(part: str, imports: bool) -> None:
    """A host that applies has none of what kernels and sources need."""
    ran = subprocess.run(
        [sys.executable, "-c", _ALONE % part], capture_output=True, text=True, check=True
    )
    assert ("lppack.debian.kernels" in ran.stdout) is imports
