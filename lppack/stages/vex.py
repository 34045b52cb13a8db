# SPDX-License-Identifier: MIT
"""Statements about the CVEs of a kernel package, for a host or a bundle."""

import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from lppack.errors import AnswerIsNo, EnvironmentMissing
from lppack.model import Bundle, Completeness, InliningCheck
from lppack.stages.host_status import HostStatus
from lppack.stages.status import PatchReport

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,}")
# scripts/mkcompile_h and debian/rules of Debian's kernels: "... Debian 6.1.170-3 (2026-05-08)".
_DEBIAN = re.compile(r"\bDebian ([0-9][A-Za-z0-9.+~-]*)(?: |$)")


class Status(StrEnum):
    """Status of a CVE; the weakest claim is the last one."""

    FIXED = "fixed"
    UNDER_INVESTIGATION = "under_investigation"
    AFFECTED = "affected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement about one CVE of the kernel package."""

    cve: str
    status: Status
    notes: str  # why
    action: str  # what to do; empty for `fixed`


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All statements, and the kernel package that they are about."""

    subject: str  # the host, or the bundle
    release: str
    package: str  # the Debian version of the package
    statements: tuple[Statement, ...]

    @property
    def name(self) -> str:
        return f"linux-image-{self.release}"

    @property
    def purl(self) -> str:
        arch = self.release.rpartition("-")[2]
        name, version = quote(self.name, safe=""), quote(self.package, safe="")
        known = f"?arch={arch}" if arch in ("amd64", "arm64") else ""
        return f"pkg:deb/debian/{name}@{version}{known}"


def subject(on: str) -> str:
    """Return the name of a host under which a document can leave this machine."""
    return on if on.startswith("ssh:") else f"{on} at {socket.gethostname()}"


def of_host(found: HostStatus, name: str) -> Evidence:
    """Return the evidence of a host, without fixes that have no CVE.

    Raise EnvironmentMissing if the kernel's package is not known.
    """
    said = [_statement(patch, fix) for patch in found.in_use for fix in patch.fixes]
    return Evidence(
        subject=name,
        release=found.kernel,
        package=_package(found.version, found.kernel),
        statements=_one_each(s for s in said if s is not None),
    )


def of_bundle(bundle: Bundle) -> Evidence:
    """Return the evidence of a bundle: each CVE is affected until the bundle is applied."""
    name = bundle.path.name
    said = (
        Statement(
            cve=fix.cve,
            status=Status.AFFECTED,
            notes=f"{name} has a live patch for it: {bundle.series} {bundle.version}",
            action=f"lppack apply {name}",
        )
        for fix in bundle.fixes
        if fix.cve is not None and _CVE.fullmatch(fix.cve)
    )
    return Evidence(
        subject=name,
        release=bundle.release,
        package=_package(bundle.kernel_version, bundle.release),
        statements=_one_each(said),
    )


def _package(version: str, release: str) -> str:
    found = _DEBIAN.search(version)
    if found is None:
        raise EnvironmentMissing(
            f"kernel {release} ({version}) is not of a Debian package: scanners would not know it",
            hint="the evidence in lppack's own words: lppack status --format json",
        )
    return found[1]


def need_cve(found: Evidence) -> Evidence:
    """Return ``found``. Raise AnswerIsNo if it has no statement."""
    if not found.statements:
        raise AnswerIsNo(
            f"no fix with a CVE is known of {found.subject}",
            hint="see what is live: lppack status; in a manifest, `fixes` names the CVE",
            reason="no-cve",
        )
    return found


def _one_each(said: Iterable[Statement]) -> tuple[Statement, ...]:
    """Return the weakest statement for each CVE, because a fix may need more than one live
    patch."""
    weakest: dict[str, Statement] = {}
    order = list(Status)
    for one in said:
        before = weakest.get(one.cve, one)
        weakest[one.cve] = max(before, one, key=lambda each: order.index(each.status))
    return tuple(weakest[cve] for cve in sorted(weakest))


def _statement(patch: PatchReport, fix: Mapping[str, Any]) -> Statement | None:
    cve = fix["cve"]
    if not isinstance(cve, str) or not _CVE.fullmatch(cve):
        return None
    where = f"live patch {patch.series} {patch.version} (module {patch.module}"
    where += f", srcversion {patch.srcversion})" if patch.srcversion else ")"
    step = patch.next_step or f"see: lppack status --on {patch.host}"
    if fix["in_part"]:
        return Statement(
            cve=cve, status=Status.AFFECTED, notes=f"live in part by {where}", action=step
        )
    if not fix["live"]:
        why = f"not in effect by {where}, which is {patch.phase}"
        if patch.conversion == "off":
            why += ", and does not convert"
        return Statement(cve=cve, status=Status.AFFECTED, notes=why, action=step)
    doubt = _doubt(patch)
    if doubt is not None:
        return Statement(
            cve=cve,
            status=Status.UNDER_INVESTIGATION,
            notes=f"in effect by {where}, but {doubt}",
            action=step,
        )
    return Statement(cve=cve, status=Status.FIXED, notes=f"in effect by {where}", action="")


def _doubt(patch: PatchReport) -> str | None:
    """Return why a live fix may still be incomplete; None if there is no such reason."""
    if patch.forced:
        return "a transition was forced: which code threads run is not known"
    if patch.forced is None:
        return "the kernel's log cannot be read: whether a transition was forced is unknown"
    match patch.inlining:
        case InliningCheck.UNCHECKED:
            return "inlining is unchecked: callers may hold copies of the old code"
        case None:
            return "whether inlining was checked is not known: callers may hold copies of old code"
    match patch.complete:
        case Completeness.NOT_CHECKED:
            return "it is not proved that the patch carries the whole fix: lppack build --prove"
        case None:
            return "whether the patch carries the whole fix is not known"
    return None
