# SPDX-License-Identifier: MIT
"""Each format of evidence is what it is called, and says all."""

import json
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources
from pathlib import Path
from uuid import UUID

import pytest
from csaf_vex.verification.verifier import Verifier
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from jsonschema import Draft202012Validator, FormatChecker
from vexipy.document import Document

from lppack import pipeline
from lppack.errors import EnvironmentMissing
from lppack.stages.vex import Evidence, Status, of_host
from lppack.stages.vex_formats import FORMATS, Author
from tests.kit.bundles import made
from tests.kit.command import lppack
from tests.kit.evidence import fix, host, patch

NOW = datetime(2026, 11, 30, 4, 5, 6, tzinfo=UTC)
NUMBER = UUID("5f3f6f0e-0d0b-4b8e-9a55-4f3c1f0f7c11")
AUTHOR = Author(name="Operations", namespace="https://example.org")


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
    text = FORMATS[kind](whole(), AUTHOR, NOW, NUMBER)
    assert problems(text) == []
    assert word in text
    assert problems(text.replace(word, wrong)), "the control"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_document_says_all(kind: str) -> None:
    found = whole()
    text = FORMATS[kind](found, AUTHOR, NOW, NUMBER)
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
    assert FORMATS[kind](whole(), AUTHOR, NOW, NUMBER) == FORMATS[kind](
        whole(), AUTHOR, NOW, NUMBER
    )


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
        assert f"simulated at {socket.gethostname()}: " in ran.out
        assert all(cve in ran.out for cve in before)


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cyclonedx.model.bom", None)
    with pytest.raises(EnvironmentMissing) as caught:
        FORMATS["cyclonedx"](whole(), AUTHOR, NOW, NUMBER)
    assert caught.value.hint == "pip install 'lppack[fleet]'"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_moment_is_the_same_in_each_zone(kind: str) -> None:
    there = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    text = FORMATS[kind](whole(), AUTHOR, NOW, NUMBER)
    assert "2026-11-30T04:05:06" in text
    if kind != "cyclonedx":  # its library writes the zone that it is given
        assert FORMATS[kind](whole(), AUTHOR, there, NUMBER) == text


@pytest.mark.parametrize("kind", FORMATS)
def test_a_document_has_its_number(kind: str) -> None:
    text = FORMATS[kind](whole(), AUTHOR, NOW, NUMBER)
    assert identity(text).endswith(str(NUMBER))
    assert CHECKS[kind][0](text) == []


def test_no_two_documents_have_one_number(tmp_path: Path) -> None:
    """Also of two hosts of one name, in the same second, with the same things to say."""
    path = made(tmp_path, tmp_path)
    said = {pipeline.vex(path, "local", "csaf", author="a", namespace="https://b") for _ in "12"}
    assert len({identity(text) for text in said}) == 2


def identity(text: str) -> str:
    value = json.loads(text)
    if "document" in value:
        return str(value["document"]["tracking"]["id"])
    return str(value.get("@id") or value["serialNumber"])
