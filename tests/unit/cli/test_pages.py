# SPDX-License-Identifier: MIT
"""What `explain` says of flags, steps and claims, and that nothing is without a text."""

import pytest

from lppack.checker.observe import WORDS
from lppack.cli.pages import CODES, FLAGS
from lppack.consistency import Leave, Switch
from tests.kit.cli import cli


def test_each_flag_of_a_manifest_has_a_page() -> None:
    flags = {flag.name for axis in (Leave, Switch) for flag in axis}
    assert flags <= set(FLAGS)


def test_each_invariant_of_a_run_has_a_text() -> None:
    for invariant, _words in WORDS.values():
        assert set(invariant.replace(",", " ").split()) & set(CODES), invariant


@pytest.mark.parametrize("name", [*FLAGS, *CODES])
def test_every_page_can_be_read(name: str) -> None:
    ran = cli("explain", name)
    text = {**FLAGS, **CODES}[name]
    assert (ran.rc, ran.err) == (0, "")
    assert " ".join(text.split()) in " ".join(ran.out.split())


def test_a_page_that_is_not_there() -> None:
    ran = cli("explain", "LEAVE_KERNAL")
    assert (ran.rc, ran.out) == (4, "")
    assert "did you mean" in ran.err
