# SPDX-License-Identifier: MIT
from lppack.builders.image import Recipe, render


def test_the_dockerfile_has_base_and_compiler() -> None:
    text = render(Recipe(base="debian:bookworm-slim", compiler="gcc-12"))
    lines = text.splitlines()
    assert lines[:2] == ["# SPDX-License-Identifier: MIT", "FROM debian:bookworm-slim"]
    assert " gcc-12 make libc6-dev " in text
    assert "--no-install-recommends" in text
    assert "{" not in text
