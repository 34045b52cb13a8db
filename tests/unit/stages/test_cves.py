# SPDX-License-Identifier: MIT
"""Debian's security tracker joined with what is live, and with bundles at hand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lppack.errors import EnvironmentMissing
from lppack.model import Effective, Fix
from lppack.stages.cves import CveState, join, read_tracker
from lppack.stages.vex import Evidence, Statement, Status
from tests.kit.bundles import made
from tests.kit.command import check_shape, lppack
from tests.kit.samples import RELEASE, VERSION, bundle

PACKAGE = VERSION.partition("Debian ")[2].partition(" ")[0]
NEWER = PACKAGE.replace("6.1.", "6.1.9", 1)


def said(status: str, fixed: str | None = None, **more: Any) -> dict[str, Any]:
    """What the tracker has of one suite."""
    known = {"status": status, "urgency": "not yet assigned", "repositories": {"bookworm": PACKAGE}}
    return {**known, **({"fixed_version": fixed} if fixed is not None else {}), **more}


def tracker(**cves: dict[str, Any]) -> dict[str, Any]:
    rows = {cve.replace("_", "-"): {"releases": {"bookworm": one}} for cve, one in cves.items()}
    return {"linux": rows, "bash": {"CVE-2026-9999": {"releases": {"bookworm": said("open")}}}}


def written(folder: Path, value: Any) -> Path:
    file = folder / "tracker.json"
    file.write_text(json.dumps(value))
    return file


def host(**cves: Status) -> Evidence:
    statements = [
        Statement(cve=cve.replace("_", "-"), status=status, notes="notes", action="")
        for cve, status in cves.items()
    ]
    return Evidence(subject="local", release=RELEASE, package=PACKAGE, statements=tuple(statements))


def states(folder: Path, found: Evidence, *bundles: Any, **cves: dict[str, Any]) -> dict[str, str]:
    known = read_tracker(written(folder, tracker(**cves)))
    return {one.cve: one.state.value for one in join(known, found, bundles, None).cves}


def test_what_debian_says(tmp_path: Path) -> None:
    assert states(
        tmp_path,
        host(),
        CVE_2026_0001=said("open"),
        CVE_2026_0002=said("resolved", NEWER),
        CVE_2026_0003=said("resolved", PACKAGE),
        CVE_2026_0004=said("resolved", "0"),
        CVE_2026_0005=said("undetermined"),
    ) == {"CVE-2026-0001": "open", "CVE-2026-0002": "package"}


def test_what_is_live_and_what_could_be(tmp_path: Path) -> None:
    fixes = [
        Fix(cve=f"CVE-2026-000{n}", commit=None, functions=("f",), effective=Effective.PATCHED)
        for n in (1, 2, 3, 4)
    ]
    at_hand = replace(bundle(), fixes=tuple(fixes), release=RELEASE, kernel_version=VERSION)
    here = host(
        CVE_2026_0001=Status.FIXED,
        CVE_2026_0002=Status.AFFECTED,
        CVE_2026_0003=Status.UNDER_INVESTIGATION,
    )
    cves = {f"CVE_2026_000{n}": said("open") for n in (1, 2, 3, 4, 5)}
    wanted = {
        "CVE-2026-0005": CveState.OPEN,
        "CVE-2026-0004": CveState.FIXABLE,
        "CVE-2026-0002": CveState.APPLIED,
        "CVE-2026-0003": CveState.APPLIED,
        "CVE-2026-0001": CveState.LIVE,
    }
    found = states(tmp_path, here, at_hand, **cves)
    assert list(found.items()) == list(wanted.items()), "the worst comes first"
    for other in (
        replace(at_hand, release="6.1.0-1-amd64"),
        replace(at_hand, kernel_version="#1 SMP Debian 6.1.1-1 (2020-01-01)"),
    ):
        assert states(tmp_path, here, other, **cves)["CVE-2026-0004"] == CveState.OPEN


def test_the_suite_is_the_one_with_such_kernels(tmp_path: Path) -> None:
    value = tracker(CVE_2026_0001=said("open"))
    releases = value["linux"]["CVE-2026-0001"]["releases"]
    releases["trixie"] = said("resolved", "0", repositories={"trixie": "6.12.1-1"})
    known = read_tracker(written(tmp_path, value))
    assert join(known, host(), (), None).suite == "bookworm"
    assert join(known, host(), (), "trixie").cves == ()
    with pytest.raises(EnvironmentMissing, match="no suite has kernels of the series of 5.10.1"):
        join(known, replace(host(), package="5.10.1-1"), (), None)
    releases["sid"] = said("open", repositories={"sid": PACKAGE})
    known = read_tracker(written(tmp_path, value))
    with pytest.raises(EnvironmentMissing, match="bookworm, sid have") as caught:
        join(known, host(), (), None)
    assert "--suite" in str(caught.value.hint)


@pytest.mark.parametrize(
    "value",
    [
        *([], {}, 7, {"linux": []}, {"linux": {"CVE-2026-0001": 7}}),
        {"linux": {"CVE-2026-0001": {"releases": []}}},
        {"linux": {"CVE-2026-0001": {"releases": {"bookworm": 7}}}},
        {"linux": {"CVE-2026-0001": {"releases": {"bookworm": {"status": 7}}}}},
        {"linux": {"CVE-2026-0001": {"releases": {"bookworm": {"repositories": []}}}}},
    ],
)
def test_what_is_not_the_tracker_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(EnvironmentMissing, match="is not the JSON of Debian's security tracker"):
        read_tracker(written(tmp_path, value))


@pytest.mark.parametrize(
    ("cve", "suite", "more"),
    [
        ("CVE-1\x1b[2J", "bookworm", {}),
        ("CVE-2026-0001\n", "bookworm", {}),
        ("CVE-2026-0001", "book\x1b[2Jworm", {}),
        ("CVE-2026-0001", "bookworm", {"fixed_version": "6.1\x1b[2J"}),
        ("CVE-2026-0001", "bookworm", {"fixed_version": "1" * 5000}),
        ("CVE-2026-0001", "bookworm", {"nodsa": 10**400}),
    ],
)
def test_names_and_versions_of_the_tracker_are_checked(
    tmp_path: Path, cve: str, suite: str, more: dict[str, Any]
) -> None:
    one = {cve: {"releases": {suite: said("resolved", NEWER, **more)}}}
    with pytest.raises(EnvironmentMissing, match="is not the JSON of Debian's security tracker"):
        read_tracker(written(tmp_path, {"linux": one}))
    right = {"releases": {"bookworm": said("resolved", "1:6.1~rc1+b2-3")}}
    assert read_tracker(
        written(tmp_path, {"linux": {"CVE-2026-0001": right, "TEMP-0000000-0FD2E8": right}})
    )


def test_a_tracker_without_bounds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, tracker(CVE_2026_0001=said("open")))
    monkeypatch.setattr("lppack.stages.cves._SIZE_MAX", file.stat().st_size)
    assert read_tracker(file)
    monkeypatch.setattr("lppack.stages.cves._SIZE_MAX", file.stat().st_size - 1)
    with pytest.raises(EnvironmentMissing, match="is not the JSON"):
        read_tracker(file)
    monkeypatch.undo()
    file.write_text("[" * 200_000)
    with pytest.raises(EnvironmentMissing, match="is not the JSON"):
        read_tracker(file)


def test_a_file_that_is_not_there_is_named_with_where_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("<html>")
    for name, why in (("absent", "No such file"), ("no.json", "is not the JSON")):
        with pytest.raises(EnvironmentMissing, match=why) as caught:
            read_tracker(tmp_path / name)
        assert "security-tracker.debian.org" in str(caught.value.hint)


def test_the_command(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    path = made(tmp_path, tmp_path)
    ran = lppack("vex", path, env=env)
    cve = ran.json["statements"][0]["vulnerability"]["name"]
    file = written(
        tmp_path, tracker(**{cve.replace("-", "_"): said("open"), "CVE_2026_0009": said("open")})
    )
    assert lppack("apply", path, "--engine", "simulated", env=env).rc == 0
    ran = lppack("cves", file, path, "--engine", "simulated", "--format", "json", env=env)
    assert ran.rc == 0, ran.err
    check_shape("cves", ran.json)
    found = {one["cve"]: one["state"] for one in ran.json["cves"]}
    assert found["CVE-2026-0009"] == "open"
    assert found[cve] == "applied", "its effect is conversion, which this bundle has not"
    ran = lppack("cves", file, "--engine", "simulated", env=env)
    assert f"{cve}  applied: not in effect by live patch conn-limit" in ran.out
    assert f"linux-image-{RELEASE} {PACKAGE} (bookworm) on simulated: 1 open, 1 " in ran.out
