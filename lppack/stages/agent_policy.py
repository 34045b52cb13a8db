# SPDX-License-Identifier: MIT
"""Input of `lppack agent`: the policy of a host, and the signed index of the bundles served to
it."""

import contextlib
import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lppack.document import Document
from lppack.errors import ManifestError, Problem
from lppack.resources import schema
from lppack.rules.fits import fits, inlined
from lppack.rules.shape import shape_problems
from lppack.stages.load import load_file, parse
from lppack.stages.trust import POLICY

INDEX = "index.yaml"
#: The format in schemas/index-v1.json.
_FILE = re.compile(r"(?P<series>[a-z][a-z0-9-]{0,59})-(?P<version>\d+)_(?P<release>.+)[.]lpp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The policy of a host; see schemas/agent-v1.json."""

    source: str
    signers: Path
    ring: str | None
    not_before: datetime.datetime | None
    hold: frozenset[str] | None  # series; None: all
    timeout: float
    metrics: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One bundle of an index, with the hosts and the time from which it is served."""

    file: str
    rings: frozenset[str] | None  # None: every host
    not_before: datetime.datetime | None

    @property
    def series(self) -> str:
        return self._part("series")

    @property
    def version(self) -> int:
        return int(self._part("version"))

    @property
    def release(self) -> str:
        return self._part("release")

    def _part(self, name: str) -> str:
        found = _FILE.fullmatch(self.file)
        assert found is not None  # the schema has the same pattern
        return found[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index of bundles; see schemas/index-v1.json."""

    serial: int
    offers: tuple[Offer, ...]


def read_policy(path: Path) -> Policy:
    """Read the policy at ``path``. Raise ManifestError with every problem of the file."""
    data = _checked(load_file(path, "a policy"), "agent-v1", "the policy")
    hold = data.get("hold", [])
    return Policy(
        source=data["source"],
        signers=Path(data.get("signers", POLICY)),
        ring=data.get("ring"),
        not_before=_time(data),
        hold=None if hold is True else frozenset(hold or ()),
        timeout=float(data.get("timeout", 60)),
        metrics=Path(data["metrics"]) if "metrics" in data else None,
    )


def metrics_named(path: Path) -> Path | None:
    """Return the file for metrics that the policy at ``path`` names, also if all else is wrong."""
    with contextlib.suppress(ManifestError):
        data = load_file(path, "a policy").data
        shape = schema("agent-v1")["properties"]["metrics"]
        if fits(found := data.get("metrics"), inlined(shape, {})):
            return Path(found)
    return None


def parse_index(text: str, path: Path) -> Index:
    """Parse ``text``, the content of the index ``path``. Raise ManifestError."""
    found = parse(text, path, "an index", times=False)
    data = _checked(found, "index-v1", "the index", "bundles")
    return Index(
        serial=data["serial"],
        offers=tuple(
            Offer(
                file=entry["file"],
                rings=frozenset(entry["rings"]) if "rings" in entry else None,
                not_before=_time(entry),
            )
            for entry in data["bundles"]
        ),
    )


def _time(data: dict[str, Any]) -> datetime.datetime | None:
    return datetime.datetime.fromisoformat(data["not-before"]) if "not-before" in data else None


def _checked(document: Document, schema: str, whole: str, *entries: str) -> dict[str, Any]:
    """Return the data of ``document`` if it fits the schema. Raise ManifestError."""
    problems = [*shape_problems(document, schema, whole), *_no_times(document, entries)]
    if problems:
        raise ManifestError(problems)
    data: dict[str, Any] = document.data
    return data


def _no_times(document: Document, entries: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem for each text that looks like a time but is none, such as the 31st of
    February."""
    places = [(), *(pointer for name in entries for pointer, _ in document.mappings(name))]
    for place in places:
        pointer = (*place, "not-before")
        text = document.text(*pointer)
        try:
            if text is not None:
                datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
        except (ValueError, OverflowError) as error:
            yield document.problem(
                pointer, "time", f"not-before: {ascii(text)} is not a time: {error}"
            )
