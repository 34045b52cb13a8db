# SPDX-License-Identifier: MIT
"""A text is searched for names, also for the parts from which a macro pastes one."""

import pytest

from lppack.proof.pattern import NamePattern


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"x = do_thing_fast(1);", True),
        (b"x = redo_thing_fast + do_thing_faster;", False),
        (b"#define DO(how) do_thing_##how(1)", True),
        (b"#define DO(how) how ## _fast(1)", True),
        (b"#define DO(how) how ## _slow(1)", False),
        (b"do_thing_", False),
    ],
)
def test_a_name_or_its_parts(text: bytes, found: bool) -> None:
    assert NamePattern({"do_thing_fast"}).search(text) == found


def test_no_names_match_nothing() -> None:
    assert not NamePattern(()).search(b"")
    assert not NamePattern(()).search(b"text ## more")
