# SPDX-License-Identifier: MIT
"""The files for Prometheus and Grafana, by Debian's Prometheus and node_exporter."""

import contextlib
import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.command import ROOT, lppack
from tests.kit.sshd import free_port

pytestmark = pytest.mark.slow

RULES = ROOT / "fleet/prometheus/lppack.rules.yml"
DASHBOARD = ROOT / "fleet/grafana/lppack.json"
#: As one host may have it: two patches, one of them in the middle of a transition.
METRICS = """
lppack_info{version="0.1.0",kernel="6.1.0-47-amd64"} 1
lppack_can_patch 1
lppack_unfinished_commands 1
lppack_leftovers 0
lppack_last_command_code{command="apply",result="reversed"} 7
lppack_patch_info{series="conn-limit",module="lppack_conn_limit_1",version="1",mode="hybrid"} 1
lppack_patch_version{series="conn-limit",module="lppack_conn_limit_1"} 1
lppack_patch_phase{module="lppack_conn_limit_1",phase="patching"} 1
lppack_patch_transition_seconds{module="lppack_conn_limit_1"} 12
lppack_patch_forced{module="lppack_conn_limit_1"} 1
lppack_patch_converted_objects{module="lppack_conn_limit_1"} 3
lppack_fix_live{series="conn-limit",module="lppack_conn_limit_1",cve="CVE-1"} 0
lppack_fix_live_in_part{series="conn-limit",module="lppack_conn_limit_1",cve="CVE-1"} 1
"""


def promtool(*words: str | Path, data: str = "") -> "subprocess.CompletedProcess[str]":
    argv = ["promtool", *map(str, words)]
    return subprocess.run(argv, input=data, capture_output=True, text=True, timeout=60)


def queries() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_promtool_takes_what_status_writes(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path)}
    ran = lppack("status", "--engine", "simulated", "--format", "prometheus", env=env)
    done = promtool("check", "metrics", data=ran.out)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    done = promtool("check", "metrics", data=ran.out + "lppack_info{version=0} 1\n")
    assert done.returncode != 0, "the control"


def test_the_rules_are_right_and_fire_as_their_tests_say(tmp_path: Path) -> None:
    assert promtool("check", "rules", RULES).returncode == 0
    test = RULES.with_name("lppack.rules.test.yml")
    done = promtool("test", "rules", test)
    assert done.returncode == 0, done.stdout + done.stderr
    alerts = {rule["alert"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}
    assert alerts == {
        case["alertname"]
        for part in yaml.safe_load(test.read_text())["tests"]
        for case in part["alert_rule_test"]
    }
    (tmp_path / RULES.name).write_text(RULES.read_text().replace("> 300", "> 30000"))
    (tmp_path / test.name).write_text(test.read_text())
    assert promtool("test", "rules", tmp_path / test.name).returncode != 0, "the control"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that has read METRICS from a node_exporter."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "lppack.prom").write_text(METRICS.lstrip())
    exporter, port = free_port(), free_port()
    (folder / "prometheus.yml").write_text(
        "scrape_configs:\n  - job_name: node\n    scrape_interval: 1s\n    static_configs:\n"
        f"      - targets: ['127.0.0.1:{exporter}']\n"
    )
    with (
        running(
            *("prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile"),
            f"--collector.textfile.directory={folder}",
            f"--web.listen-address=127.0.0.1:{exporter}",
        ),
        running(
            *("prometheus", f"--config.file={folder}/prometheus.yml"),
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ),
    ):
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 60
        while not query(url, "lppack_info"):
            assert time.monotonic() < end, "Prometheus has read nothing"
            time.sleep(0.2)
        yield url


@contextlib.contextmanager
def running(*argv: str) -> Iterator[None]:
    made = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        made.kill()
        made.wait()


def query(url: str, expr: str) -> list[dict[str, Any]]:
    asked = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': expr})}"
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            said: dict[str, Any] = json.load(answer)
    except OSError:
        return []
    found: list[dict[str, Any]] = said["data"]["result"]
    return found


def test_node_exporter_takes_the_file(server: str) -> None:
    (error,) = query(server, "node_textfile_scrape_error")
    assert error["value"][1] == "0"
    assert query(server, "node_textfile_mtime_seconds")


@pytest.mark.parametrize("expr", queries())
def test_each_panel_of_the_dashboard_has_data(server: str, expr: str) -> None:
    found = query(server, expr)
    assert found, expr
    if "vector(0)" in expr:  # and data of its own, where there is some
        assert query(server, expr.replace(" or vector(0)", "")) or "can_patch" in expr
