# SPDX-License-Identifier: MIT
"""The CVEs of a kernel package in Debian's security tracker, joined with live patches."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from lppack import store
from lppack.debian.deb import version_key
from lppack.errors import EnvironmentMissing
from lppack.model import Bundle
from lppack.shape import fits, read_json
from lppack.stages.vex import Evidence, Status

_URL = "https://security-tracker.debian.org/tracker/data/json"
_SOURCE = "linux"
_SIZE_MAX = 512 << 20  # bytes; the file has about 80 MiB
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,12}|TEMP-[0-9]{1,12}-[0-9A-F]{1,12}")
_SUITE = re.compile(r"[a-z][a-z0-9-]{0,60}")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+:~-]{0,200}")
#: The fields of a CVE that are read.
_RELEASE = {"status": str, "fixed_version": str, "urgency": str, "repositories": dict}
#: CVE to suite to _RELEASE.
Tracker = Mapping[str, Mapping[str, Mapping[str, Any]]]


class CveState(StrEnum):
    """States of a CVE, in report order."""

    OPEN = "open"  # Debian has no fix
    PACKAGE = "package"  # a newer kernel package has a fix
    FIXABLE = "fixable"  # a given bundle has a fix
    APPLIED = "applied"  # a live patch has a fix that is not in effect, or may be incomplete
    LIVE = "live"  # a live patch has a fix that is in effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Cve:
    """A CVE that affects this version of the package."""

    cve: str
    state: CveState
    urgency: str | None
    # the version of the package, the bundle, or the live patch with the fix; None: open
    by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelReport:
    """A kernel package and its known CVEs."""

    host: str
    name: str
    package: str
    suite: str
    cves: tuple[Cve, ...]


def read_tracker(path: Path) -> Tracker:
    """Read the downloaded JSON of the tracker. Raise EnvironmentMissing."""
    store.refuse_special(path)
    try:
        value = read_json(path.read_bytes()) if path.stat().st_size <= _SIZE_MAX else None
    except OSError as error:
        raise EnvironmentMissing(
            f"{path} cannot be read: {error.strerror}", hint=f"download it: curl -o {path} {_URL}"
        ) from None
    except ValueError:
        value = None
    found = value.get(_SOURCE) if isinstance(value, dict) else None
    if not isinstance(found, dict) or not all(_is_cve(*row) for row in found.items()):
        raise EnvironmentMissing(
            f"{path} is not the JSON of Debian's security tracker, or has no package {_SOURCE}",
            hint=f"download it: curl -o {path} {_URL}",
        )
    return {cve: one.get("releases", {}) for cve, one in found.items()}


def _is_cve(cve: str, said: Any) -> bool:
    if not (_CVE.fullmatch(cve) and isinstance(said, dict) and fits(said, {"releases": dict})):
        return False
    return all(
        _SUITE.fullmatch(suite)
        and fits(one, _RELEASE)
        and _VERSION.fullmatch(one.get("fixed_version", "0"))
        for suite, one in said.get("releases", {}).items()
    )


def join(
    known: Tracker, host: Evidence, bundles: Iterable[Bundle], suite: str | None
) -> KernelReport:
    """Return the state of each CVE of the host's kernel. Raise EnvironmentMissing: unknown
    suite."""
    suite = suite or _suite(known, host.package)
    at_hand = {
        fix.cve: bundle.path.name
        for bundle in bundles
        if bundle.release == host.release and f"Debian {host.package} " in bundle.kernel_version
        for fix in bundle.fixes
        if fix.cve is not None
    }
    here = {said.cve: said for said in host.statements}
    found = []
    for cve, releases in known.items():
        said = releases.get(suite)
        if said is None or not _has(said, host.package):
            continue
        state, by = CveState.OPEN, None
        if cve in here:
            state = CveState.LIVE if here[cve].status is Status.FIXED else CveState.APPLIED
            by = here[cve].notes
        elif cve in at_hand:
            state, by = CveState.FIXABLE, at_hand[cve]
        elif said["status"] == "resolved":
            state, by = CveState.PACKAGE, said["fixed_version"]
        found.append(Cve(cve=cve, state=state, urgency=said.get("urgency"), by=by))
    order = list(CveState)
    found.sort(key=lambda one: (order.index(one.state), version_key(one.cve)))
    return KernelReport(
        host=host.subject, name=host.name, package=host.package, suite=suite, cves=tuple(found)
    )


def _has(said: Mapping[str, Any], version: str) -> bool:
    """Return True if ``version`` of the package has this CVE. Fixed version 0: it was never
    affected."""
    if said.get("status") == "open":
        return True
    fixed = said.get("fixed_version")
    if said.get("status") != "resolved" or fixed is None:
        return False
    return version_key(version) < version_key(fixed)


def _suite(known: Tracker, version: str) -> str:
    """Return the only suite with kernels of this series; for example, only bookworm has 6.1."""
    series = version.split(".")[:2]
    suites = {
        suite
        for releases in known.values()
        for suite, said in releases.items()
        for one in said.get("repositories", {}).values()
        if isinstance(one, str) and one.split(".")[:2] == series
    }
    if len(suites) != 1:
        which = f"{', '.join(sorted(suites))} have" if suites else "no suite has"
        raise EnvironmentMissing(
            f"{which} kernels of the series of {version}, by the tracker",
            hint="name the suite: --suite bookworm",
        )
    return suites.pop()
