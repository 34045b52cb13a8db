# SPDX-License-Identifier: MIT
"""What a live patch says of itself is a host's word: it may be anything."""

import json

import pytest

from lppack.model.patch_info import PatchInfo

NAMES = {"engine": "livepatch", "mode": "hybrid", "release": "6.1", "kernel": "#1"}
GOOD = {"series": "a", "version": 1, "fixes": [], "transforms": ["t"], **NAMES}


def test_what_fits_is_read_and_written_again() -> None:
    found = PatchInfo.from_json(json.dumps(GOOD))
    assert found and (found.series, found.version, found.transforms) == ("a", 1, ("t",))
    assert PatchInfo.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{",
        "[]",
        "[" * 2000,
        json.dumps({**GOOD, "version": True}),
        json.dumps({**GOOD, "version": -1}),
        json.dumps({**GOOD, "version": 10**400}),
        json.dumps({**GOOD, "series": "\ud800"}),
        json.dumps({**GOOD, "series": "a\x1b[2J"}),
        json.dumps({**GOOD, "transforms": ["a\nb"]}),
        json.dumps({**GOOD, "fixes": [{"effective": "later"}]}),
        json.dumps({**GOOD, "fixes": [{"cve": "a\x07"}]}),
    ],
)
def test_what_does_not_fit_is_foreign(text: str | None) -> None:
    assert not PatchInfo.from_json(text)
