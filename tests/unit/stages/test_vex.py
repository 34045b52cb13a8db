# SPDX-License-Identifier: MIT
"""What is said of a CVE, and that the documents are what they are called."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from csaf_vex.verification.verifier import Verifier
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from jsonschema import Draft202012Validator, FormatChecker
from packageurl import PackageURL
from vexipy.document import Document

from lppack.abi import PatchPhase
from lppack.errors import AnswerIsNo, EnvironmentMissing
from lppack.model import Effective, Fix
from lppack.stages.host_status import HostStatus
from lppack.stages.status import PatchReport
from lppack.stages.vex import Evidence, Statement, Status, need_cve, of_bundle, of_host
from lppack.stages.vex_formats import FORMATS, Author
from tests.kit.bundles import made
from tests.kit.command import lppack
from tests.kit.samples import bundle

CVE = "CVE-2026-0001"
NOW = datetime(2026, 11, 30, 4, 5, 6, tzinfo=UTC)
AUTHOR = Author(name="Operations", namespace="https://example.org")
KERNEL = "#1 SMP PREEMPT_DYNAMIC Debian 6.12.118-1~bpo+1 (2026-11-16)"


def fix(**more: Any) -> dict[str, Any]:
    return {"cve": CVE, "functions": ["f"], "live": True, "in_part": False, **more}


def patch(*fixes: dict[str, Any], **more: Any) -> PatchReport:
    known: dict[str, Any] = {
        "series": "conn-limit",
        "version": 1,
        "module": "lppack_conn_limit_1",
        "engine": "livepatch",
        "mode": "hybrid",
        "host": "local",
        "phase": PatchPhase.PATCHED,
        "conversion": "on",
        "converted": 3,
        "blockers": (),
        "fixes": fixes or (fix(),),
        "inlining": "checked",
        "srcversion": "ABC",
    }
    return PatchReport(**{**known, **more})


def host(*patches: PatchReport, version: str = KERNEL) -> HostStatus:
    return HostStatus(
        kernel="6.12.118+deb13-amd64", can_patch=True, patches=patches, version=version
    )


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


def whole() -> Evidence:
    """One statement of each status."""
    fixes = [fix(cve=f"CVE-2026-000{n}") for n in range(2)]
    found = of_host(
        host(
            patch(*fixes[:1]),
            patch(fix(cve="CVE-2026-0002", live=False, in_part=True), series="b"),
            patch(*fixes[1:], series="c", inlining="unchecked"),
        ),
        "ssh:root@web1",
    )
    assert {one.status for one in found.statements} == set(Status)
    return found


def openvex_problems(text: str) -> list[str]:
    try:
        Document.from_json(text)
    except ValueError as error:
        return [str(error)]
    return []


def csaf_problems(text: str) -> list[str]:
    """By the published schema, and by the tests of its profile for VEX."""
    place = resources.files("csaf_vex.verification.schemas") / "csaf_2_0.json"
    value = json.loads(text)
    schema = json.loads(place.read_text())
    del schema["properties"]["vulnerabilities"]["items"]["properties"]["scores"]  # other files
    problems = [
        error.message
        for error in Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(value)
    ]
    report = Verifier(value, raw_content=text).run_all()
    return problems + [str(result) for result in report.results if result.status.name == "FAIL"]


def cyclonedx_problems(text: str) -> list[str]:
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    return [str(found)[:300]] if found else []


CHECKS: dict[str, tuple[Callable[[str], list[str]], str, str]] = {
    "openvex": (openvex_problems, '"status": "affected"', '"status": "broken"'),
    "csaf": (csaf_problems, '"known_affected"', '"known_broken"'),
    "cyclonedx": (cyclonedx_problems, '"exploitable"', '"broken"'),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_document_is_what_it_is_called(kind: str) -> None:
    problems, word, wrong = CHECKS[kind]
    text = FORMATS[kind](whole(), AUTHOR, NOW)
    assert problems(text) == []
    assert word in text
    assert problems(text.replace(word, wrong)), "the control"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_document_says_all(kind: str) -> None:
    found = whole()
    text = FORMATS[kind](found, AUTHOR, NOW)
    value = json.loads(text)
    assert found.purl in text and AUTHOR.name in text
    for one in found.statements:
        assert json.dumps(f"{found.subject}: {one.notes}")[1:-1] in text
        assert one.cve in text
    ways = {
        "openvex": lambda: {s["vulnerability"]["name"]: s["status"] for s in value["statements"]},
        "csaf": lambda: {
            v["cve"]: next(iter(v["product_status"])) for v in value["vulnerabilities"]
        },
        "cyclonedx": lambda: {v["id"]: v["analysis"]["state"] for v in value["vulnerabilities"]},
    }
    words = {
        "openvex": ("fixed", "under_investigation", "affected"),
        "csaf": ("fixed", "under_investigation", "known_affected"),
        "cyclonedx": ("resolved", "in_triage", "exploitable"),
    }
    assert tuple(ways[kind]()[f"CVE-2026-000{n}"] for n in range(3)) == words[kind]


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_is_said_the_same_way(kind: str) -> None:
    assert FORMATS[kind](whole(), AUTHOR, NOW) == FORMATS[kind](whole(), AUTHOR, NOW)


def test_the_command(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    path = made(tmp_path, tmp_path)
    ran = lppack("vex", path, "--author", "Operations", env=env)
    assert (ran.rc, ran.err) == (0, "")
    assert ran.json["author"] == "Operations"
    before = {one["vulnerability"]["name"]: one["status"] for one in ran.json["statements"]}
    assert set(before.values()) == {"affected"}
    assert lppack("vex", "--engine", "simulated", env=env).rc != 0
    assert lppack("apply", path, "--engine", "simulated", env=env).rc == 0
    for kind in FORMATS:
        ran = lppack("vex", "--engine", "simulated", "--format", kind, env=env)
        assert (ran.rc, CHECKS[kind][0](ran.out)) == (0, [])
        assert all(cve in ran.out for cve in before)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    ran = lppack("vex", tmp_path / "absent.lpp")
    assert (ran.rc, ran.out) == (4, "")
    assert "absent.lpp does not exist" in ran.err


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cyclonedx.model.bom", None)
    with pytest.raises(EnvironmentMissing) as caught:
        FORMATS["cyclonedx"](whole(), AUTHOR, NOW)
    assert caught.value.hint == "pip install 'lppack[fleet]'"
