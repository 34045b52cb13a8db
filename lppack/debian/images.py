# SPDX-License-Identifier: MIT
"""Images with the compilers of Debian's releases."""

from lppack.debian import sources
from lppack.debian.apt import Apt
from lppack.debian.supported import RELEASES
from lppack.distributions.protocol import BaseRecipe
from lppack.errors import EnvironmentMissing

DOCKERFILE = "container/Dockerfile.j2"


def official(suite: str) -> str:
    return f"debian:{suite}-slim"


def own_base(suite: str) -> BaseRecipe | None:
    """Return the recipe for a base image from this machine's package sources; None if it has
    none."""
    try:
        apt = Apt(suite)
        options = apt.options()
    except EnvironmentMissing:  # not a Debian machine
        return None
    command = (
        "mmdebstrap",
        "--variant=minbase",
        "--include=ca-certificates",
        *(f"--aptopt={option}" for option in options),
        suite,
    )
    return BaseRecipe(
        text=repr((command, sorted(apt.texts.items()))), command=command, files=apt.source_files()
    )


def suite_here() -> str:
    return sources.codename()


def compiler_here() -> str:
    release = RELEASES.get(sources.codename())
    return release.compiler if release else "gcc"
