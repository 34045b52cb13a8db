# SPDX-License-Identifier: MIT
"""The newest version of a series that a host had, which an older one does not replace unasked."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lppack.consistency import EngineName
from lppack.errors import (
    ApplyRefused,
    ApplyReversed,
    ApplyStuck,
    HostError,
    LppackError,
    NotConverted,
)
from lppack.stages.changing import changing
from lppack.stages.newest import VERSIONS, noted, refuse_older
from tests.kit.mortal import both, mortal
from tests.kit.samples import bundle as sample


def test_an_older_version_is_no_update(tmp_path: Path) -> None:
    host = mortal(tmp_path)
    made_ = both(host, EngineName.LIVEPATCH)
    newer, older = sample(), replace(sample(), version=1)
    refuse_older(made_, older, allowed=False)
    with changing(made_, "apply x", {}) as alone:
        with noted(alone, newer):
            pass
        with noted(alone, older):
            pass
    assert json.loads(host.stored[VERSIONS]) == {"conn-limit": 2}
    refuse_older(made_, newer, allowed=False)
    refuse_older(made_, replace(older, series="other"), allowed=False)
    with pytest.raises(ApplyRefused) as caught:
        refuse_older(made_, older, allowed=False)
    assert caught.value.reason == "older-than-before"
    refuse_older(made_, older, allowed=True)


@pytest.mark.parametrize("damaged", ["", "[]", '{"conn-limit": "x"}', "[" * 200_000, "\0"])
def test_what_cannot_be_read_lets_no_older_version_pass(tmp_path: Path, damaged: str) -> None:
    host = mortal(tmp_path)
    made_ = both(host, EngineName.LIVEPATCH)
    host.stored[VERSIONS] = damaged
    for allowed in (False, True):
        with pytest.raises(ApplyRefused) as caught:
            refuse_older(made_, sample(), allowed=allowed)
        assert caught.value.reason == "not-stored"
        assert f"rm {VERSIONS}" in str(caught.value.hint)
    with pytest.raises(ApplyRefused), noted(made_, sample()):
        pytest.fail("it is not applied")
    assert host.stored[VERSIONS] == damaged
    del host.stored[VERSIONS]
    refuse_older(made_, sample(), allowed=False)


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (ApplyRefused("no"), False),
        (ApplyReversed("no"), False),
        (ApplyStuck("no"), True),
        (NotConverted("no"), True),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("before", [{}, {"conn-limit": 1, "other": 7}], ids=["first", "update"])
def test_what_was_not_applied_is_not_noted(
    tmp_path: Path, error: LppackError, stays: bool, before: dict[str, int]
) -> None:
    host = mortal(tmp_path)
    host.stored[VERSIONS] = json.dumps(before)
    with (
        pytest.raises(type(error)),
        changing(both(host, EngineName.LIVEPATCH), "apply x", {}) as alone,
        noted(alone, sample()),
    ):
        assert json.loads(host.stored[VERSIONS]) == {**before, "conn-limit": 2}, "before the load"
        raise error
    assert json.loads(host.stored[VERSIONS]) == ({**before, "conn-limit": 2} if stays else before)


def test_a_version_that_cannot_be_noted_is_not_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = mortal(tmp_path)

    def full(*_: Any) -> None:
        raise HostError(VERSIONS, 28)

    monkeypatch.setattr("lppack.stages.newest.put_json", full)
    with (
        pytest.raises(ApplyRefused, match="cannot be noted .* No space left") as caught,
        noted(both(host, EngineName.LIVEPATCH), sample()),
    ):
        pytest.fail("it is not applied")
    assert caught.value.reason == "not-stored"
