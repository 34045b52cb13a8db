# SPDX-License-Identifier: MIT
"""rollout plan: files that were gathered from hosts in, what is to be expected of each out."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from lppack.forecast.stacks import SIZE_MAX
from tests.kit.bundles import made
from tests.kit.command import Ran, check_shape, lppack
from tests.kit.rollout import FAST, HISTOGRAM, SLOW, STUCK, gather
from tests.kit.samples import RELEASE


def live(phase: str = "patched", version: int = 2) -> str:
    patch = {"series": "conn-limit", "version": version, "phase": phase, "module": "x"}
    return json.dumps({"kernel": RELEASE, "patches": [patch]})


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    folder = tmp_path / "hosts"
    gather(folder, "a-stuck", STUCK)
    gather(folder, "b-slow", SLOW, cmdline_proc_show=HISTOGRAM)
    gather(folder, "c-fast", FAST)
    gather(folder, "d-live", None, status=live())
    gather(folder, "e-other", FAST, kernel="6.1.0-99-amd64")
    gather(folder, "f-unknown", None)
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return made(tmp_path / "in", tmp_path)


def plan(bundle: Path, hosts: Path, *words: str) -> Ran:
    return lppack("rollout", "plan", bundle, "--hosts", hosts, "--watched", "600", *words)


def test_those_that_finish_come_first_and_those_that_would_not_are_left_out(
    bundle: Path, hosts: Path
) -> None:
    ran = plan(bundle, hosts, "--format", "json")
    assert ran.rc == 0, ran.err
    check_shape("rollout-plan", ran.json)
    one, other = ran.json["classes"]
    verdicts = {row["host"]: row["verdict"] for row in (*one["hosts"], *other["hosts"])}
    assert verdicts == {
        "a-stuck": "never-finishes",
        "b-slow": "finishes",
        "c-fast": "finishes",
        "d-live": "live",
        "e-other": "no-bundle",
        "f-unknown": "not-known",
    }
    assert ran.json["order"] == ["d-live", "c-fast", "b-slow", "f-unknown"]
    assert ran.json["left_out"] == ["a-stuck", "e-other"]
    assert one["stalls"] == ["a-stuck"]
    slow = next(row for row in one["hosts"] if row["host"] == "b-slow")
    assert 0.1 < slow["seconds"] < 5 and one["seconds"] == slow["seconds"]
    assert slow["forecast"]["blockers"][0]["function"] == "cmdline_proc_show"
    assert plan(bundle, hosts, "--format", "json").json == ran.json


def test_what_people_and_ansible_read(bundle: Path, hosts: Path) -> None:
    ran = plan(bundle, hosts)
    assert (ran.rc, ran.out.splitlines()[-2]) == (
        0,
        "begin with: d-live, c-fast, b-slow, f-unknown",
    )
    assert "held up by" in ran.out and "reader in cmdline_proc_show" in ran.out
    vars_ = plan(bundle, hosts, "--format", "ansible").json
    assert vars_ == {
        "lppack_hosts": ["d-live", "c-fast", "b-slow", "f-unknown"],
        "lppack_left_out": ["a-stuck", "e-other"],
    }


def test_nobody_to_begin_with_is_a_no(bundle: Path, hosts: Path) -> None:
    for name in ("b-slow", "c-fast", "d-live", "f-unknown"):
        shutil.rmtree(hosts / name)
    ran = plan(bundle, hosts, "--format", "json")
    assert (ran.rc, ran.json["left_out"]) == (9, ["a-stuck", "e-other"])


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (live(version=3), "live"),
        (live(version=1), "finishes"),
        (live(phase="patching"), "finishes"),
        ("{", "not-known"),
        ("[]", "not-known"),
        ('{"kernel": 5, "patches": []}', "not-known"),
        (json.dumps({"kernel": RELEASE, "patches": {}}), "not-known"),
        ("[" * 100_000, "not-known"),
        ("x" * (5 << 20), "not-known"),
        (json.dumps({"kernel": "6.1\x1b[2J\nbegin with: x", "patches": []}), "not-known"),
        (json.dumps({"kernel": "\ud800", "patches": []}), "not-known"),
    ],
)
def test_what_a_host_says_is_not_trusted(
    bundle: Path, tmp_path: Path, status: str, verdict: str
) -> None:
    gather(tmp_path / "hosts", "one", FAST, status=status)
    ran = plan(bundle, tmp_path / "hosts", "--format", "json")
    [row] = ran.json["classes"][0]["hosts"]
    assert (ran.rc, row["verdict"]) == (0, verdict)


def test_a_file_that_is_too_large_or_none_is_not_read(bundle: Path, tmp_path: Path) -> None:
    for name in ("large", "pipe", "right"):
        gather(tmp_path / "hosts", name, FAST)
    os.truncate(tmp_path / "hosts/large/stacks.folded", SIZE_MAX + 1)
    (tmp_path / "hosts/pipe/status.json").unlink()
    os.mkfifo(tmp_path / "hosts/pipe/status.json")
    rows = plan(bundle, tmp_path / "hosts", "--format", "json").json["classes"]
    verdicts = {row["host"]: row["verdict"] for one in rows for row in one["hosts"]}
    assert verdicts == {"large": "not-known", "pipe": "not-known", "right": "finishes"}


def test_stacks_that_are_none_are_named(bundle: Path, tmp_path: Path) -> None:
    gather(tmp_path / "hosts", "one", "what is this\n")
    [row] = plan(bundle, tmp_path / "hosts", "--format", "json").json["classes"][0]["hosts"]
    assert row["verdict"] == "not-known"
    assert "stacks.folded:1:1: error[stacks]" in row["why"]


@pytest.mark.parametrize("wrong", ["none", "empty", "odd", "twice"])
def test_what_cannot_be_planned_is_refused(bundle: Path, tmp_path: Path, wrong: str) -> None:
    hosts, more = tmp_path / "hosts", []
    if wrong != "none":
        hosts.mkdir()
    if wrong == "odd":
        gather(hosts, "-e x", FAST)
    if wrong == "twice":
        gather(hosts, "one", FAST)
        more = [str(shutil.copy(bundle, tmp_path / "again.lpp"))]
    ran = plan(bundle, hosts, *more, "--format", "json")
    said: dict[str, Any] = ran.json["error"]
    assert (ran.rc, said["kind"]) == (4, "environment")
    assert said["hint"]


@pytest.mark.parametrize("name", ["web:all", "web1:22", "all", "ungrouped", "fe80::1%eth0", "a,b"])
def test_a_name_that_ansible_reads_as_a_pattern_is_refused(
    bundle: Path, tmp_path: Path, name: str
) -> None:
    hosts = tmp_path / "hosts"
    for right in ("web1", "10.0.0.1", "2001:db8::1"):
        gather(hosts, right, FAST)
    assert plan(bundle, hosts).rc == 0
    gather(hosts, name, FAST)
    said = plan(bundle, hosts, "--format", "json").json["error"]
    assert (said["code"], said["kind"]) == (4, "environment")
    assert name in said["message"] and "is not a host name" in said["message"]
