# SPDX-License-Identifier: MIT
import pytest

from lppack.debian import images
from lppack.errors import EnvironmentMissing


def test_the_official_image_is_the_small_one_of_the_suite() -> None:
    assert images.official("trixie") == "debian:trixie-slim"


@pytest.mark.parametrize(
    ("here", "compiler"), [("bookworm", "gcc-12"), ("trixie", "gcc-14"), ("", "gcc"), ("x", "gcc")]
)
def test_the_compiler_of_a_machine_is_that_of_its_release(
    here: str, compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lppack.debian.sources.codename", lambda: here)
    assert (images.suite_here(), images.compiler_here()) == (here, compiler)


class FakeApt:
    """A machine with one file of package sources."""

    def __init__(self, suite: str) -> None:
        self.texts = {"debian.sources": f"Suites: {suite}"}

    def options(self) -> tuple[str, ...]:
        return ("Acquire::x=1",)

    def source_files(self) -> tuple[str, ...]:
        return ("/x/debian.sources",)


def test_a_base_is_made_of_this_machines_package_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "Apt", FakeApt)
    made = images.own_base("trixie")
    assert made is not None
    assert made.command[0] == "mmdebstrap"
    assert made.command[-1] == "trixie"
    assert "--aptopt=Acquire::x=1" in made.command
    assert made.text != images.own_base("bookworm").text  # type: ignore[union-attr]


def test_a_machine_without_package_sources_makes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_suite: str) -> None:
        raise EnvironmentMissing("no apt here")

    monkeypatch.setattr(images, "Apt", none)
    assert images.own_base("trixie") is None
