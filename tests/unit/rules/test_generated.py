# SPDX-License-Identifier: MIT
"""What validate promises of any manifest; tests/docker compiles some of those that it accepts."""

from pathlib import Path

import pytest

from tests.kit import samples
from tests.kit.generated import (
    EVIL,
    accepted,
    assert_data_stays_data,
    outside_strings,
    try_manifests,
    write,
)
from tests.kit.samples import stubs

#: In CI; tests/soak takes 20,000.
EXAMPLES = 2000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generated")


@pytest.mark.slow
def test_generated_and_mutated_manifests(folder: Path) -> None:
    try_manifests(folder, EXAMPLES)


@pytest.mark.parametrize("evil", EVIL)
def test_evil_text_is_refused_or_quoted(evil: str, folder: Path) -> None:
    data = {**samples.full(), "sources": ["a.c"], "headers": [], "test": {}}
    for key in ("description", "author"):
        data = {**data, key: f"one{evil}two"}
        write(folder, data, stubs(data))
        manifest = accepted(folder)
        if manifest is not None:
            assert_data_stays_data(manifest)
        assert (manifest is None) is not f"one{evil}two".isprintable() or len(evil) > 200


def test_text_that_leaves_its_string_would_be_seen(folder: Path) -> None:
    data = {**samples.full(), "sources": ["a.c"], "headers": [], "test": {}}
    found = []
    for key in ("description", "name"):  # the name is part of identifiers: tokens differ
        write(folder, {**data, key: "other"}, stubs(data))
        manifest = accepted(folder)
        assert manifest is not None
        found.append(outside_strings(manifest))
    assert found[0] != found[1]
