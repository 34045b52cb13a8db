# SPDX-License-Identifier: MIT
"""lppack agent on a host with Debian's own systemd: by its timer, with its journal, over boots."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lppack import pipeline
from lppack.engines.kernel import KernelEngines
from lppack.hosts.guest import GuestHost
from lppack.model import Bundle, Kernel
from lppack.pipeline.build import open_builder
from lppack.stages.journald import DONE, REFUSED
from lppack.stages.status import status
from tests.kit.command import ROOT
from tests.kit.debian_root import DebianRoot
from tests.kit.keys import allow, make_key
from tests.kit.packages import host_deb
from tests.soak.systemd import Machine

pytestmark = pytest.mark.guest

SOURCE = "/srv/live"
SEEN = "/var/lib/lppack/agent/index.json"


class Host(Machine):
    """lppack's own package, its timer in a hurry, and a policy that reads a folder."""

    deb: Path
    signers: Path

    def add(self, root: Path) -> None:
        DebianRoot(self.kernel, root).install(self.deb)
        units = root / "etc/systemd/system"
        for unit in (ROOT / "fleet/systemd").glob("lppack-agent.*"):
            text = unit.read_text().replace("15min", "10s").replace("RandomizedDelaySec=5min", "")
            (units / unit.name).write_text(text.replace("OnBootSec=1min", "OnBootSec=5s"))
        (units / "timers.target.wants").mkdir(exist_ok=True)
        (units / "timers.target.wants/lppack-agent.timer").symlink_to("../lppack-agent.timer")
        etc = root / "etc/lppack"
        etc.mkdir()
        shutil.copy(self.signers, etc / "allowed_signers")
        (etc / "agent.yaml").write_text(yaml.safe_dump({"lppack-agent": 1, "source": SOURCE}))
        (root / SOURCE.lstrip("/")).mkdir(parents=True)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("k"), "key")


@pytest.fixture(scope="module")
def machine(kernel: Kernel, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    folder = tmp_path_factory.mktemp("m")
    Host.deb = host_deb(folder)
    Host.signers = allow(folder, key, options='namespaces="lppack-bundle,lppack-index"')
    builder = open_builder("docker", lambda _line: None)
    return Host(kernel, folder, builder, ("python3", "openssh-client"))


def serve(
    host: GuestHost, key: Path, bundle: Path, folder: Path, serial: int, more: bytes = b""
) -> None:
    """Put a signed bundle and its index where the agent of ``host`` reads them; the index last.

    ``more``: bytes that the bundle gets after it was signed.
    """
    index = folder / "index.yaml"
    entries = [{"file": bundle.name}]
    index.write_text(yaml.safe_dump({"lppack-index": 1, "serial": serial, "bundles": entries}))
    for file in (bundle, index):
        signature = pipeline.sign_bundle(file, key, force=True)
        served = folder / "served"
        served.write_bytes(file.read_bytes() + (more if file == bundle else b""))
        host.put(signature, f"{SOURCE}/{file.name}.sig")
        host.put(served, f"{SOURCE}/{file.name}")


def events(host: GuestHost, event: str) -> list[dict[str, Any]]:
    argv = ["journalctl", "-b", "-o", "json", f"MESSAGE_ID={event}"]
    return [json.loads(line) for line in host.run(argv, limit=60.0).out.splitlines()]


def until(host: GuestHost, what: str) -> None:
    done = host.run(["timeout", "200", "sh", "-c", f"until {what}; do sleep 1; done"], limit=220.0)
    log = host.run(["journalctl", "-b", "-u", "lppack-agent", "-n", "30"], limit=60.0).out
    assert done.rc == 0, log


def live(host: GuestHost) -> list[int | None]:
    return [patch.version for patch in status(KernelEngines(host), "guest")]


def test_an_agent_by_its_timer(
    machine: Machine,
    key: Path,
    built: Callable[[str, bool], tuple[Bundle, Path]],
    tmp_path: Path,
) -> None:
    bundle = built("conn-limit", False)[0].path
    with machine.up() as host:
        until(host, "journalctl -b -u lppack-agent | grep -q 'was not fetched\\|cannot be read'")
        serve(host, key, bundle, tmp_path, 2)
        until(host, "grep -q . /sys/module/lppack_conn_limit_1/parameters/convert")
        until(host, f"journalctl -b MESSAGE_ID={DONE['apply']} | grep -q conn-limit")
        [told] = events(host, DONE["apply"])
        assert told["LPPACK_SERIES"] == "conn-limit" and told["LPPACK_VERSION"] == "1"
        assert told["LPPACK_SIGNER"] == "alice@example.org"
        assert told["_SYSTEMD_UNIT"] == "lppack-agent.service"
        assert live(host) == [1]
        until(host, "journalctl -b -u lppack-agent | grep -q 'nothing to do'")
        assert len(events(host, DONE["apply"])) == 1, "applied once"
        # Tampered with, of a greater version: the agent says so, and what is live stays.
        later = tmp_path / bundle.name.replace("-1_", "-2_")
        shutil.copy(bundle, later)
        serve(host, key, later, tmp_path, 3, more=b"x")
        until(host, f"journalctl -b -o json MESSAGE_ID={REFUSED} | grep -q wrong-signature")
        assert live(host) == [1]
        serve(host, key, bundle, tmp_path, 4)
        until(host, f"grep -q 'serial.: 4' {SEEN}")
        # The same serial with other content: refused, and reported.
        serve(host, key, later, tmp_path, 4)
        until(host, f"journalctl -b -o json MESSAGE_ID={REFUSED} | grep -q changed-index")
        serve(host, key, bundle, tmp_path, 5)
        until(host, '[ ! -e /var/lib/lppack/watched ] || [ -z "$(ls /var/lib/lppack/watched)" ]')
        until(host, f"grep -q 'serial.: 5' {SEEN}")
        assert host.run(["sh", "-c", f"mv {SOURCE} /srv/away; sync"], limit=60.0).rc == 0
        # killed after the minute

    with machine.up() as host:
        until(host, f"journalctl -b MESSAGE_ID={DONE['apply']} | grep -q conn-limit")
        assert live(host) == [1], "applied anew after a restart, while the source is down"
        until(host, "systemctl is-failed -q lppack-agent")
        assert events(host, REFUSED)[0]["LPPACK_REASON"] == "not-served"
        assert host.run(["mv", "/srv/away", SOURCE], limit=20.0).rc == 0
        done = host.run(["lppack", "revert", "conn-limit"], limit=120.0)
        assert done.rc == 0, done.err
        assert events(host, DONE["revert"])[0]["LPPACK_RESULT"] == "done"
        until(host, "journalctl -b -u lppack-agent | grep -q 'held: it was reverted'")
        assert live(host) == []
        done = host.run(["lppack", "apply", f"{SOURCE}/{bundle.name}"], limit=120.0)
        assert done.rc == 0, done.err
        # killed within the minute

    with machine.up() as host:
        until(host, "journalctl -b -u lppack-agent | grep -q 'held: the machine crashed within'")
        until(host, "systemctl is-failed -q lppack-agent")
        assert "crashed" in {event["LPPACK_REASON"] for event in events(host, REFUSED)}
        assert live(host) == []
        assert host.faults() == ()
