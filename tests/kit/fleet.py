# SPDX-License-Identifier: MIT
"""Ansible with the collection, and hosts that are kernels in memory."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.bundles import made
from tests.kit.command import ROOT

COLLECTION = ROOT / "ansible/lppack/livepatch"
BIN = Path(sys.executable).parent
SERIES = "conn-limit"
#: For a play: a notified handler and force_handlers, which disarm max_fail_percentage.
FORCED: Mapping[str, Any] = {
    "max_fail_percentage": 0,
    "force_handlers": True,
    "pre_tasks": [{"ansible.builtin.debug": {}, "changed_when": True, "notify": "Note"}],
    "handlers": [{"name": "Note", "ansible.builtin.debug": {}}],
}


_DMESG = """#!/bin/sh
echo '[    1.000000] BUG: an old one, of before'
! grep -q lppack_conn {kernel} 2> /dev/null || echo '[   99.500000] Oops: 0002 [#1] PREEMPT SMP'
"""


def recap(text: str) -> dict[str, dict[str, int]]:
    """Read the last lines of ansible-playbook: for each host, how often each outcome was."""
    rows = re.findall(r"^(\S+) +: (ok=.*)$", text, re.MULTILINE)
    return {
        host: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", row)}
        for host, row in rows
    }


@dataclass(frozen=True)
class Fleet:
    """Hosts, each with a kernel in memory of its own."""

    folder: Path
    bundle: Path
    collections: Path
    programs: Path = BIN  # Ansible's

    def state(self, host: str) -> Path:
        return self.folder / host / "state"

    def kernel(self, host: str) -> Path:
        return self.state(host) / "lppack/simulated/kernel.json"

    def complains(self, host: str) -> None:
        """Let the log of its kernel have a fault once it is patched."""
        file = self.folder / host / "bin/dmesg"
        file.parent.mkdir(parents=True)
        file.write_text(_DMESG.format(kernel=self.kernel(host)))
        file.chmod(0o755)

    def inventory(self, hosts: Mapping[str, Mapping[str, Any]]) -> Path:
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "lppack_rollout_executable": str(BIN / "lppack"),
            "lppack_rollout_host": "simulated",
            "lppack_rollout_series": SERIES,
            "lppack_rollout_bundle": str(self.bundle),
            "lppack_rollout_report": str(self.folder / "report.json"),
            "lppack_rollout_folder": f"{self.folder}/{{{{ inventory_hostname }}}}/bundles",
        }
        file = self.folder / "inventory.yml"
        file.write_text(
            yaml.safe_dump({"all": {"vars": common, "hosts": dict(hosts)}}, sort_keys=False)
        )
        return file

    def play(self, *, serial: list[int], **more: Any) -> Path:
        file = self.folder / "play.yml"
        play = {
            "hosts": "all",
            "serial": serial,
            "gather_facts": False,
            "environment": {
                "XDG_STATE_HOME": f"{self.folder}/{{{{ inventory_hostname }}}}/state",
                "PATH": f"{self.folder}/{{{{ inventory_hostname }}}}/bin:{os.environ['PATH']}",
            },
            "roles": ["lppack.livepatch.rollout"],
            **more,
        }
        file.write_text(yaml.safe_dump([play]))
        return file

    def run(
        self, program: str, *words: str | Path, limit: float = 300
    ) -> "subprocess.CompletedProcess[str]":
        env = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "PATH": f"{self.programs}:{os.environ['PATH']}",
        }
        argv = [self.programs / program, *words]
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=limit)

    def states(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.folder / "report.json").read_text())["states"]
        return found

    def reason(self, host: str) -> str:
        return str(json.loads((self.folder / "report.json").read_text())["reasons"][host])

    def live(self, host: str) -> bool:
        """Whether the kernel of a host has the patch, by the file that it is kept in."""
        file = self.kernel(host)
        if not file.exists():
            return False
        return bool(json.loads(file.read_text())["patches"])


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collection")
    env = {**os.environ, "ANSIBLE_HOME": str(folder)}
    galaxy = [str(BIN / "ansible-galaxy"), "collection"]
    for words in (
        ["build", str(COLLECTION), "--output-path", str(folder)],
        ["install", "--offline", "-p", str(folder), str(folder / "lppack-livepatch-0.1.0.tar.gz")],
    ):
        done = subprocess.run([*galaxy, *words], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def fleet(collections: Path, tmp_path: Path) -> Fleet:
    return Fleet(tmp_path, made(tmp_path, tmp_path), collections)
