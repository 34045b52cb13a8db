# SPDX-License-Identifier: MIT
"""What rollout plan prints of a fleet."""

from typing import Any

import pytest

from lppack.analyse.rollout import HostClass, HostForecast, RolloutPlan
from lppack.cli.rollout_table import plan_json, show


def host(name: str, verdict: str, **more: Any) -> HostForecast:
    known = {"kernel": "6.1.0-57-amd64", "bundle": None, "why": "no bundle", **more}
    return HostForecast(host=name, verdict=verdict, **known)


def made(*hosts: HostForecast, kernel: str | None = "6.1.0-57-amd64") -> RolloutPlan:
    return RolloutPlan(classes=(HostClass(kernel=kernel, bundle=None, hosts=hosts),))


def test_each_host_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(made(host("web1", "live"), host("db", "no-bundle")))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "kernel 6.1.0-57-amd64, no bundle: 2 hosts"
    assert [line.split()[0] for line in lines[1:4]] == ["host", "web1", "db"]
    assert lines[2].endswith("no bundle")
    starts = [
        line.index(word)
        for line, word in zip(lines[1:4], ("verdict", "live", "no-bundle"), strict=True)
    ]
    assert len(set(starts)) == 1, "in columns"


def test_a_fleet_of_one_that_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    show(made(host("x", "no-bundle"), kernel=None))
    out = capsys.readouterr().out
    assert out.startswith("kernel not known, no bundle: 1 host\n")
    assert "begin with: none" in out


def test_what_has_no_end_is_no_number_in_json() -> None:
    [of] = plan_json(made(host("a", "no-bundle"), host("b", "live")))["classes"]
    assert [(one["host"], one["seconds"], one["forecast"]) for one in of["hosts"]] == [
        ("a", None, None),
        ("b", None, None),
    ]
    assert of["seconds"] is None
