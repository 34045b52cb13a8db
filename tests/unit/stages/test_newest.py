# SPDX-License-Identifier: MIT
"""The newest version of a series that a host had, which an older one does not replace unasked."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lppack.consistency import EngineName
from lppack.errors import ApplyRefused, HostError
from lppack.stages.changing import changing
from lppack.stages.newest import VERSIONS, note_version, refuse_older
from tests.kit.mortal import both, mortal
from tests.kit.samples import bundle as sample


def test_an_older_version_is_no_update(tmp_path: Path) -> None:
    host = mortal(tmp_path)
    made_ = both(host, EngineName.LIVEPATCH)
    newer, older = sample(), replace(sample(), version=1)
    refuse_older(made_, older, allowed=False)
    with changing(made_, "apply x", {}) as alone:
        note_version(alone, newer)
        note_version(alone, older)
    assert json.loads(host.stored[VERSIONS]) == {"conn-limit": 2}
    refuse_older(made_, newer, allowed=False)
    refuse_older(made_, replace(older, series="other"), allowed=False)
    with pytest.raises(ApplyRefused) as caught:
        refuse_older(made_, older, allowed=False)
    assert caught.value.reason == "older-than-before"
    refuse_older(made_, older, allowed=True)
    for damaged in ("", "[]", '{"conn-limit": "x"}'):
        host.stored[VERSIONS] = damaged
        refuse_older(made_, older, allowed=False)


def test_a_version_that_cannot_be_noted_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = mortal(tmp_path)
    said: list[str] = []

    def full(*_: Any) -> None:
        raise HostError(VERSIONS, 28)

    monkeypatch.setattr("lppack.stages.newest.put_json", full)
    note_version(replace(both(host, EngineName.LIVEPATCH), say=said.append), sample())
    assert "the version cannot be noted" in said[0]
