# SPDX-License-Identifier: MIT
"""The policy of a host and the index of a source: what is read from them, and what is refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from lppack.errors import ManifestError
from lppack.resources import schema
from lppack.stages.agent_policy import parse_index, read_policy


@pytest.mark.parametrize(
    "entry",
    [
        {"file": "a-1_6.1.lpp\n"},
        {"file": "../a-1_6.1.lpp"},
        {"file": "a-1_../../6.1.lpp"},
        {"file": "a-0_6.1.lpp"},
        {"file": "a-\u0661_6.1.lpp"},
        {"file": "a-1_6.1.lpp", "rings": []},
        {"file": "a-1_6.1.lpp", "not-before": "2026-02-31T00:00:00Z"},
        {"file": "a-1_6.1.lpp", "not-before": "2026-02-01T00:00:00"},
        {"file": "a-1_6.1.lpp", "url": "http://x"},
        {"file": "a-1_6.1.lpp", "not-before": "9999-12-31T23:59:59-05:00"},
    ],
)
def test_an_index_that_cannot_be_is_refused(entry: dict[str, Any]) -> None:
    """Nor can it be signed: `sign` reads it in the same way."""
    index = {"lppack-index": 1, "serial": 1, "bundles": [entry]}
    with pytest.raises(ManifestError):
        parse_index(yaml.safe_dump(index), Path("index.yaml"))


def test_an_index_is_read() -> None:
    entries = [
        {"file": "conn-limit-12_6.1.0-56-amd64.lpp"},
        {
            "file": "a-1-2_6.1+x_y.lpp.lpp",
            "rings": ["canary", "all"],
            "not-before": "2026-12-01 06:00+01:00",
        },
    ]
    text = yaml.safe_dump({"lppack-index": 1, "serial": 7, "bundles": entries})
    index = parse_index(text, Path("index.yaml"))
    first, second = index.offers
    assert (index.serial, first.rings, first.not_before) == (7, None, None)
    assert (first.series, first.version, first.release) == ("conn-limit", 12, "6.1.0-56-amd64")
    assert (second.series, second.version, second.release) == ("a-1", 2, "6.1+x_y.lpp")
    assert second.rings == frozenset(("canary", "all"))
    assert second.not_before == datetime(2026, 12, 1, 5, 0, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "[]", "7", "{", "a: [", "lppack-index: 1", "\0"])
def test_what_is_no_index_is_refused(text: str) -> None:
    with pytest.raises(ManifestError, match=r"index\.yaml"):
        parse_index(text, Path("index.yaml"))


def policy(folder: Path, **keys: Any) -> Path:
    path = folder / "agent.yaml"
    path.write_text(yaml.safe_dump({"lppack-agent": 1, "source": "/srv/lppack", **keys}))
    return path


def test_a_policy_has_the_defaults_that_its_schema_names(tmp_path: Path) -> None:
    keys = schema("agent-v1")["properties"]
    found = read_policy(policy(tmp_path))
    assert str(found.signers) == keys["signers"]["default"]
    assert found.timeout == keys["timeout"]["default"]
    assert (found.ring, found.not_before, found.metrics) == (None, None, None)
    assert found.hold == frozenset(), "nothing is held"


@pytest.mark.parametrize(
    ("hold", "held"),
    [
        (True, None),
        (False, frozenset()),
        ([], frozenset()),
        (["a", "b"], frozenset(("a", "b"))),
    ],
)
def test_what_is_held(tmp_path: Path, hold: object, held: frozenset[str] | None) -> None:
    assert read_policy(policy(tmp_path, hold=hold)).hold == held


def test_the_time_of_a_policy_has_its_zone(tmp_path: Path) -> None:
    found = read_policy(policy(tmp_path, **{"not-before": "2026-12-01T06:00:00-05:00"}))
    assert found.not_before == datetime(2026, 12, 1, 11, tzinfo=UTC)
    assert found.not_before.utcoffset() == timedelta(hours=-5)


@pytest.mark.parametrize(
    ("keys", "rule"),
    [
        ({"not-before": "2026-02-31T00:00:00Z"}, "time"),
        ({"source": "https://me:secret@example.org/"}, None),
        ({"source": "https://example.org/a b"}, None),
        ({"source": "relative"}, None),
        ({"timeout": 0}, None),
        ({"timeout": float("nan")}, None),
        ({"signers": "relative"}, None),
        ({"metrics": "/x.txt"}, None),
        ({"hold": ["Upper"]}, None),
    ],
)
def test_a_wrong_key_of_a_policy_is_named(
    tmp_path: Path, keys: dict[str, Any], rule: str | None
) -> None:
    with pytest.raises(ManifestError) as caught:
        read_policy(policy(tmp_path, **keys))
    (problem,) = caught.value.problems
    assert next(iter(keys)) in problem.message
    assert problem.file.endswith("agent.yaml") and problem.line > 0
    assert rule in (None, problem.rule)
