# SPDX-License-Identifier: MIT
"""What each distribution has to give. That its parts have the right functions, mypy checks."""

import re

import pytest

from lppack import resources
from lppack.builders.image import Recipe
from lppack.distributions import DISTRIBUTIONS, open_distribution

each = pytest.mark.parametrize("name", DISTRIBUTIONS)


@each
def test_it_is_opened_by_its_name(name: str) -> None:
    assert open_distribution(name).name == name


def test_the_first_is_the_one_that_is_used_unasked() -> None:
    assert open_distribution().name == next(iter(DISTRIBUTIONS))


@each
def test_its_dockerfile_takes_the_base_and_the_compiler(name: str) -> None:
    images = open_distribution(name).images
    recipe = Recipe(base=images.official("some"), compiler="gcc-99")
    text = resources.render(images.DOCKERFILE, image=recipe)
    assert f"FROM {recipe.base}\n" in text
    assert re.search(r"\bgcc-99\b", text)


@each
def test_the_compiler_of_this_machine_is_a_gcc(name: str) -> None:
    assert re.fullmatch(r"gcc(-\d+)?", open_distribution(name).images.compiler_here())


@each
def test_the_kernels_used_unasked_are_a_pattern(name: str) -> None:
    assert re.fullmatch(r"[\w.+~*-]+", open_distribution(name).default_kernels)
    assert "*" in open_distribution(name).default_kernels


@each
def test_sources_are_named_by_the_version_of_the_package(name: str) -> None:
    assert "6.1.192-2" in open_distribution(name).sources.package_at("6.1.192-2")
