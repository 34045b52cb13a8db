# SPDX-License-Identifier: MIT
"""apply, convert, revert, status and recover, on the simulated host."""

from pathlib import Path

import pytest

from tests.kit.cli import cli
from tests.kit.command import check_shape

ON = ("--on", "simulated")
JSON = ("--format", "json")


def test_a_patch_goes_live_in_two_steps_and_back(bundle: Path) -> None:
    applied = cli("apply", bundle, *ON, "--phase", "patch", *JSON)
    check_shape("patches", applied.json)
    (patch,) = applied.json["patches"]
    assert (applied.rc, applied.json["changed"], patch["phase"]) == (0, True, "patched")
    shown = cli("status", *ON)
    assert shown.out.startswith("conn-limit 2 on simulated: patched")
    assert "engine simulated" in shown.out
    reverted = cli("revert", "conn-limit", *ON)
    assert reverted.rc == 0
    assert reverted.out.splitlines()[0] == "conn-limit 2 on simulated: absent"
    assert cli("status", *ON).out == "no live patch is on simulated\n"


def test_a_revert_of_nothing_changes_nothing() -> None:
    ran = cli("revert", "conn-limit", *ON, *JSON)
    assert (ran.rc, ran.json) == (0, {"ok": True, "patches": [], "changed": False})
    assert cli("revert", "conn-limit", *ON).out == "nothing was to be done on simulated\n"


def test_a_dry_run_says_what_would_be_applied(bundle: Path) -> None:
    ran = cli("apply", bundle, *ON, "--dry-run")
    assert (ran.rc, ran.out) == (0, f"{bundle} would be applied to simulated\n")
    assert cli("status", *ON, *JSON).json["patches"] == []


def test_convert_of_nothing_is_refused() -> None:
    ran = cli("convert", "conn-limit", *ON, *JSON)
    check_shape("error", ran.json)
    assert (ran.rc, ran.json["error"]["code"]) == (6, 6)
    assert ran.json["error"]["message"] == 'no live patch "conn-limit" is on simulated'


def test_convert_of_a_patch_without_data_is_refused(bundle: Path) -> None:
    cli("apply", bundle, *ON)
    ran = cli("convert", "conn-limit", *ON)
    assert (ran.rc, ran.out) == (6, "")
    assert "conn-limit has no data to convert" in ran.err


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.lpp").write_text("text")
    ran = cli("apply", tmp_path / "x.lpp", *ON)
    assert (ran.rc, ran.out) == (9, "")
    assert "x.lpp" in ran.err
    assert cli("status", *ON, *JSON).json["patches"] == []


def test_status_for_node_exporter(bundle: Path, tmp_path: Path) -> None:
    assert cli("apply", bundle, *ON).rc == 0
    shown = cli("status", *ON, "--format", "prometheus")
    assert (shown.rc, 'series="conn-limit"' in shown.out) == (0, True)
    file = tmp_path / "lppack.prom"
    written = cli("status", *ON, "--format", "prometheus", "-o", file)
    assert (written.rc, written.out) == (0, "")
    assert 'series="conn-limit"' in file.read_text()


def test_status_check_says_no_by_its_exit_code(bundle: Path) -> None:
    assert cli("status", *ON, "--check").rc == 0
    assert cli("apply", bundle, *ON, "--phase", "patch").rc == 0
    ran = cli("status", *ON, "--check")
    assert (ran.rc, ran.out) == (9, "")
    assert "CVE-2026-0001 is not live" in ran.err


def test_an_output_file_is_for_metrics_alone(tmp_path: Path) -> None:
    ran = cli("status", *ON, "-o", tmp_path / "x")
    assert ran.rc == 2
    assert "-o requires --format prometheus" in ran.err


def test_of_a_simulated_kernel_nothing_is_recovered() -> None:
    ran = cli("recover", *ON)
    assert (ran.rc, ran.out) == (2, "")
    assert "a simulated kernel keeps no history" in ran.err


@pytest.mark.parametrize("words", [("--timeout", "nan"), ("--phase", "both")])
def test_an_odd_value_is_wrong_usage(bundle: Path, words: tuple[str, str]) -> None:
    ran = cli("apply", bundle, *ON, *words)
    assert ran.rc == 2
    assert words[0] in ran.err
