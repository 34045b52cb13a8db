# SPDX-License-Identifier: MIT
"""The files for Prometheus and Grafana, by Debian's Prometheus and node_exporter."""

import contextlib
import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from lppack import abi, pipeline
from lppack.engines.livepatch import Livepatch
from lppack.hosts.lock import utc_now
from lppack.stages.host_status import host_status
from lppack.stages.metrics import _metrics
from tests.kit.bundles import made
from tests.kit.command import ROOT, lppack
from tests.kit.control import MODULE, patched
from tests.kit.fake_kernel import FakeHost, FakeKernel, Thread
from tests.kit.journal import record
from tests.kit.keys import allow, make_key
from tests.kit.sshd import free_port

pytestmark = pytest.mark.slow

RULES = ROOT / "fleet/prometheus/lppack.rules.yml"
TESTS = [RULES.with_name(f"lppack.rules.{name}.yml") for name in ("test", "days.test")]
DASHBOARD = ROOT / "fleet/grafana/lppack.json"


_FILE_NOW = 'node_textfile_mtime_seconds{file=~".*lppack[.]prom"}'


def promtool(*words: str | Path, data: str = "") -> "subprocess.CompletedProcess[str]":
    argv = ["promtool", *map(str, words)]
    return subprocess.run(argv, input=data, capture_output=True, text=True, timeout=60)


def queries() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each host the folder in which lppack has written its files."""
    made_by = {"quiet": by_commands, "busy": in_a_transition, "calm": in_effect}
    folders = {name: tmp_path_factory.mktemp(name) for name in made_by}
    for name, write in made_by.items():
        (folders[name] / "textfile").mkdir()
        write(folders[name])
    return {name: folder / "textfile" for name, folder in folders.items()}


def by_commands(folder: Path) -> None:
    """Let the agent apply a bundle to a simulated kernel, and the timer write what is live."""
    env = {"XDG_STATE_HOME": str(folder / "state")}
    (folder / "served").mkdir()
    bundle, key = made(folder, folder / "served"), make_key(folder, "key")
    index = folder / "served/index.yaml"
    entries = [{"file": bundle.name}]
    index.write_text(yaml.safe_dump({"lppack-index": 1, "serial": 1, "bundles": entries}))
    policy = {
        "lppack-agent": 1,
        "source": str(folder / "served"),
        "signers": str(allow(folder, key, options='namespaces="lppack-*"')),
        "metrics": str(folder / "textfile/lppack-agent.prom"),
    }
    (folder / "agent.yaml").write_text(yaml.safe_dump(policy))
    metrics: list[str | Path] = ["--format", "prometheus", "-o", folder / "textfile/lppack.prom"]
    commands: list[list[str | Path]] = [
        ["sign", bundle, index, "--key", key],
        ["agent", "--policy", folder / "agent.yaml", "--engine", "simulated"],
        ["status", "--engine", "simulated", *metrics],
    ]
    for words in commands:
        ran = lppack(*words, env=env)
        assert ran.rc == 0, ran.err


def in_a_transition(folder: Path) -> None:
    """As status finds a host in mid transition, one of whose commands was reversed."""
    kernel = FakeKernel(patches={MODULE: replace(patched(), complete=False)}, moving=MODULE)
    kernel.uptime, kernel.dmesg = 20.0, [f"[ 8.000000] livepatch: '{MODULE}': starting patching"]
    kernel.dmesg.append(f"[ 9.000000] {abi.FORCED}")
    kernel.blocked = {True: (Thread(700, 700, "conn worker", stack=("conn_open",)),)}
    host = FakeHost(kernel)
    last = record("apply", code=7, result="reversed", boot="first", ended=utc_now())
    found = host_status(Livepatch(host), host)
    found = replace(found, last=last, boot="first", unfinished=(record("apply"),))
    pipeline.write_metrics(found, folder / "textfile/lppack.prom")


def in_effect(folder: Path) -> None:
    host = FakeHost(FakeKernel(patches={MODULE: patched()}))
    pipeline.write_metrics(host_status(Livepatch(host), host), folder / "textfile/lppack.prom")


def test_promtool_takes_what_lppack_writes(written: dict[str, Path]) -> None:
    files = [file for folder in written.values() for file in folder.iterdir()]
    assert sorted(file.name for file in files) == ["lppack-agent.prom", *["lppack.prom"] * 3]
    for file in files:
        done = promtool("check", "metrics", data=file.read_text())
        assert (done.returncode, done.stdout + done.stderr) == (0, ""), file
        done = promtool("check", "metrics", data=file.read_text() + "lppack_x{version=0} 1\n")
        assert done.returncode != 0, "the control"


def test_a_host_has_each_metric_that_there_is(written: dict[str, Path]) -> None:
    """So that what is tested below is all of what lppack writes."""
    text = "".join(file.read_text() for folder in written.values() for file in folder.iterdir())
    there = set(re.findall(r"^# TYPE (\S+) gauge$", text, re.MULTILINE))
    assert set(_metrics()) - there == {"lppack_patch_longest_stop_seconds"}


def test_the_rules_are_right_and_fire_as_their_tests_say() -> None:
    assert promtool("check", "rules", RULES).returncode == 0
    for test in TESTS:
        done = promtool("test", "rules", test)
        assert done.returncode == 0, done.stdout + done.stderr
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    assert {rule["alert"] for rule in rules if "alert" in rule} == {
        case["alertname"]
        for test in TESTS
        for part in yaml.safe_load(test.read_text())["tests"]
        for case in part["alert_rule_test"]
    }


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("patching|unpatching", "patching"),  # a reversal is a transition, too
        ("for: 5m", "for: 1m"),
        ("(lppack_fix_live + lppack_fix_waits) == 0", "(lppack_fix_live) == 0"),
        ("min by (instance, series, module", "max by (instance, series, module"),
        ("min by (instance, cve)", "min by (instance, cve, functions)"),
        ("== 7)\n          and on (instance) time()", "== 7)\n          or on (instance) time()"),
        ('"revert"} == 0)\n          and', '"revert"} == 0)\n          or'),
        ("and on (instance) lppack_last_command_in_this_boot == 1", ""),
        (
            'unless on (instance) (\n            lppack_last_command_code{command="revert"}',
            "or (up",
        ),
        ("or 0 * max by (instance) (lppack_info)", ""),
        (
            "or 1 + 0 * max by (instance, series) (\n                lppack_patch_version and",
            "or (up and",
        ),
        (
            'phase="patched"} == 1\n                unless on (instance, module) lppack_fix_live',
            'phase="patched"} == 1',
        ),
        ("== 8 and on (instance) lppack_last_command_in_this_boot == 1", "== 8"),
        ("< on (kernel) group_left ()", "< on () group_left ()"),
        ('max_over_time(node_textfile_mtime_seconds{file=~".*lppack[.]prom"}[7d])', _FILE_NOW),
        ("> 900\n          and on (instance) max by (instance) (up) == 1", "> 900"),
    ],
)
def test_a_rule_that_is_wrong_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    text = RULES.read_text()
    assert right in text
    (tmp_path / RULES.name).write_text(text.replace(right, wrong))
    assert promtool("check", "rules", tmp_path / RULES.name).returncode == 0
    for test in TESTS:
        (tmp_path / test.name).write_text(test.read_text())
    assert not all(
        promtool("test", "rules", tmp_path / test.name).returncode == 0 for test in TESTS
    )


@pytest.fixture(scope="module")
def server(written: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that has read each host's files from a node_exporter, with the rules."""
    folder = tmp_path_factory.mktemp("prometheus")
    ports = {name: free_port() for name in written}
    port = free_port()
    targets = [f"127.0.0.1:{one}" for one in ports.values()]
    config = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {
                "job_name": "node",
                "scrape_interval": "1s",
                "static_configs": [{"targets": targets}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with contextlib.ExitStack() as stack:
        for name, at in ports.items():
            argv = ["prometheus-node-exporter", "--collector.disable-defaults"]
            argv += ["--collector.textfile", f"--web.listen-address=127.0.0.1:{at}"]
            argv += [f"--collector.textfile.directory={written[name]}"]
            stack.enter_context(running(*argv))
        argv = ["prometheus", f"--config.file={folder}/prometheus.yml"]
        argv += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
        stack.enter_context(running(*argv))
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 60
        while len(query(url, "lppack:fixes_in_effect:count")) < len(written):
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
    errors = query(server, "node_textfile_scrape_error")
    assert [error["value"][1] for error in errors] == ["0"] * 3
    assert len(query(server, "node_textfile_mtime_seconds")) == 4
    for name in _metrics():
        assert query(server, name) or name == "lppack_patch_longest_stop_seconds", name


def test_who_has_a_fix_is_asked_as_the_page_says(server: str) -> None:
    """It is live on one host, in a transition on another, and the third has no such patch."""
    page = (ROOT / "docs/fleet.md").read_text()
    asked = re.findall(r"`([^`\n]*lppack_fix_live\{cve=\"CVE-2026-0001\"\}[^`\n]*)`", page)
    live, not_live = (query(server, one.replace("CVE-2026-0001", "CVE-1")) for one in asked)
    assert (len(live), len(not_live)) == (1, 2)
    assert live[0]["metric"]["instance"] not in {one["metric"]["instance"] for one in not_live}


def test_the_rules_find_what_these_hosts_have(server: str) -> None:
    """Those without a delay; the others have their tests by promtool."""
    found = {one["metric"]["alertname"] for one in query(server, 'ALERTS{alertstate="firing"}')}
    assert {"LppackForced", "LppackReversed"} <= found


@pytest.mark.parametrize("expr", queries())
def test_each_panel_of_the_dashboard_has_data(server: str, expr: str) -> None:
    found = query(server, expr)
    assert found, expr
    if "vector(0)" in expr:  # and data of its own, where there is some
        assert query(server, expr.replace(" or vector(0)", "")) or "can_patch" in expr
