# SPDX-License-Identifier: MIT
"""What is said of each CVE of a kernel package."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from packageurl import PackageURL

from lppack.abi import PatchPhase
from lppack.errors import AnswerIsNo, EnvironmentMissing
from lppack.model import Effective, Fix
from lppack.stages.status import PatchReport
from lppack.stages.vex import Statement, Status, need_cve, of_bundle, of_host, subject
from tests.kit.command import lppack
from tests.kit.evidence import CVE, fix, host, patch
from tests.kit.samples import bundle


def said(*patches: PatchReport) -> Statement:
    (one,) = of_host(host(*patches), "local").statements
    return one


@pytest.mark.parametrize(
    ("found", "status", "notes"),
    [
        (patch(), Status.FIXED, "in effect by live patch conn-limit 1"),
        (patch(fix(live=False, in_part=True)), Status.AFFECTED, "live in part"),
        (patch(fix(live=False), conversion="off"), Status.AFFECTED, "does not convert"),
        (patch(fix(live=False), phase=PatchPhase.PATCHING), Status.AFFECTED, "which is patching"),
        (patch(fix(live=False), phase=PatchPhase.UNPATCHED), Status.AFFECTED, "which is unpatched"),
        (patch(forced=True), Status.UNDER_INVESTIGATION, "was forced"),
        (patch(forced=None), Status.UNDER_INVESTIGATION, "log cannot be read"),
        (patch(inlining="unchecked"), Status.UNDER_INVESTIGATION, "inlining is unchecked"),
        (patch(inlining=None), Status.UNDER_INVESTIGATION, "inlining was checked is not known"),
        (patch(complete="not checked"), Status.UNDER_INVESTIGATION, "is not proved"),
        (patch(complete=None), Status.UNDER_INVESTIGATION, "the whole fix is not known"),
    ],
)
def test_what_is_said_of_a_fix(found: PatchReport, status: Status, notes: str) -> None:
    one = said(found)
    assert (one.cve, one.status) == (CVE, status)
    assert notes in one.notes
    assert bool(one.action) == (status is not Status.FIXED)


def test_of_two_patches_for_a_cve_the_weaker_counts() -> None:
    """Each may have a part of the fix."""
    other = patch(fix(live=False), series="other", phase=PatchPhase.PATCHING)
    assert said(patch(), other).status is said(other, patch()).status is Status.AFFECTED


def test_a_version_whose_place_was_taken_does_not_count() -> None:
    old = patch(fix(live=False), phase=PatchPhase.UNPATCHED)
    assert said(patch(version=2), old).status is Status.FIXED


@pytest.mark.parametrize("name", [None, "", "CVE-1", "CVE-2026-0001; rm", 7, "CVE-2026-00\n01"])
def test_what_is_no_cve_is_not_named(name: object) -> None:
    with pytest.raises(AnswerIsNo, match="no fix with a CVE is known of local"):
        need_cve(of_host(host(patch(fix(cve=name))), "local"))


@pytest.mark.parametrize("on", ["local", "guest:demo", "simulated"])
def test_a_document_names_the_machine(on: str) -> None:
    """Each machine is `local` to itself."""
    assert subject(on) == f"{on} at {socket.gethostname()}"
    assert subject("ssh:root@web1") == "ssh:root@web1"


def test_patches_of_others_say_nothing() -> None:
    with pytest.raises(AnswerIsNo):
        need_cve(of_host(host(patch(series=None)), "local"))


def test_a_kernel_of_no_package_is_refused() -> None:
    with pytest.raises(EnvironmentMissing, match="is not of a Debian package"):
        of_host(host(patch(), version="#1 SMP PREEMPT Mon Jan 1 00:00:00 UTC 2026"), "local")


def test_the_package_is_named_exactly() -> None:
    """In the one form that a package URL has."""
    url = of_host(host(patch()), "local").purl
    found = PackageURL.from_string(url)
    assert found.to_string() == url
    assert (found.type, found.namespace) == ("deb", "debian")
    assert (found.name, found.version) == ("linux-image-6.12.118+deb13-amd64", "6.12.118-1~bpo+1")
    assert found.qualifiers == {"arch": "amd64"}


def test_of_a_bundle_the_kernel_is_affected_until_it_is_applied(tmp_path: Path) -> None:
    fixes = (
        Fix(cve=CVE, commit=None, functions=("f",), effective=Effective.PATCHED),
        Fix(cve=None, commit="abc", functions=("g",), effective=Effective.PATCHED),
    )
    one_bundle = replace(bundle(), path=tmp_path / "conn-limit-1.lpp", fixes=fixes)
    (one,) = of_bundle(one_bundle).statements
    assert (one.status, one.action) == (Status.AFFECTED, "lppack apply conn-limit-1.lpp")


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    ran = lppack("vex", tmp_path / "absent.lpp")
    assert (ran.rc, ran.out) == (4, "")
    assert "absent.lpp does not exist" in ran.err
