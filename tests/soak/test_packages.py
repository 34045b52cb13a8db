# SPDX-License-Identifier: MIT
"""A package through the life of a machine: installed, booted, crashed, upgraded, removed."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lppack import pipeline
from lppack.abi import PatchPhase
from lppack.builders.container import ContainerBuilder
from lppack.builders.protocol import kbuild_argv
from lppack.engines.kernel import KernelEngines
from lppack.hosts.guest import GuestHost
from lppack.model import Bundle, Kernel
from lppack.pipeline.build import open_builder
from lppack.stages.journald import DONE, REFUSED, REVERSED
from lppack.stages.status import PatchReport, status
from tests.kit.command import ROOT
from tests.kit.debian_root import DebianRoot
from tests.kit.packages import MAINTAINER, host_deb, installed, name_of, state_of
from tests.kit.target import Target
from tests.soak.systemd import Machine

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def machine(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    builder = open_builder("docker", lambda _line: None)
    return Machine(kernel, tmp_path_factory.mktemp("m"), builder)


class Story:
    """Two versions as packages, and what is seen of them in a guest."""

    def __init__(self, bundles: list[tuple[Bundle, Path]], folder: Path) -> None:
        self.files = [files for _, files in bundles]
        self.bundles = [bundle for bundle, _ in bundles]
        self.debs = [
            pipeline.package_bundle(
                bundle.path, "deb", folder, maintainer=MAINTAINER, irreversible=False, signers=None
            )
            for bundle in self.bundles
        ]
        self.name, self.state = name_of(self.debs[0]), state_of(self.debs[0])

    def install(self, host: GuestHost, number: int) -> str:
        host.put(self.debs[number], "/root/new.deb")
        ran = host.run(["dpkg", "-i", "/root/new.deb"], limit=300.0)
        assert ran.rc == 0, ran.out + ran.err
        return ran.out + ran.err

    def live(self, host: GuestHost) -> PatchReport | None:
        found = status(KernelEngines(host), "guest")
        assert len(found) <= 1, "no leftover"
        return found[0] if found else None

    def version(self, host: GuestHost) -> int | None:
        found = self.live(host)
        assert found is None or (found.phase, found.conversion) == (PatchPhase.PATCHED, "on")
        return found.version if found else None

    def target(self, host: GuestHost, number: int) -> Target:
        made = Target(host, self.bundles[number], self.files[number])
        made.insmod()
        return made

    def events(self, host: GuestHost) -> list[dict[str, Any]]:
        """What this boot's journal has of the package, with fields."""
        argv = ["journalctl", "-b", "-o", "json", "-t", "lppack", "LPPACK_SERIES=conn-limit"]
        return [json.loads(line) for line in host.run(argv, limit=60.0).out.splitlines()]

    def log(self, host: GuestHost) -> str:
        argv = ["journalctl", "-b", "-o", "cat", "-u", f"{self.name}.service"]
        return host.run(argv, limit=60.0).out


@pytest.fixture(scope="module")
def story(
    built: Callable[[str, bool], tuple[Bundle, Path]], tmp_path_factory: pytest.TempPathFactory
) -> Story:
    made = [built("conn-limit", False), built("conn-limit-2", False)]
    return Story(made, tmp_path_factory.mktemp("p"))


def test_the_life_of_a_package(machine: Machine, story: Story) -> None:
    with machine.up() as host:
        story.install(host, 0)
        assert story.version(host) == 1
        [told] = story.events(host)
        assert (told["MESSAGE_ID"], told["LPPACK_MODULE"]) == (DONE["apply"], "lppack_conn_limit_1")
        assert told["_SYSTEMD_UNIT"] == f"{story.name}.service"
        place = host.run(["modinfo", "-n", "lppack_conn_limit_1"], limit=60.0).out
        assert place.startswith(f"/lib/modules/{machine.kernel.release}/updates/lppack/")
        target = story.target(host, 0)
        target.tell("syn web")
        assert target.forms()["web"] == "new", "also in a module that comes later"
        before = host.run(["systemctl", "show", "-P", "Before", story.name], limit=60.0).out
        assert "network-pre.target" in before.split()
        machine.down(host)

    with machine.up() as host:
        assert story.version(host) == 1, story.log(host)
        story.install(host, 1)
        assert story.version(host) == 2, "upgraded"
        assert "Installed" not in story.install(host, 0)
        assert story.version(host) == 1, "and back"
        # and QEMU is killed within the minute

    with machine.up() as host:
        assert story.version(host) is None
        assert "held: the machine crashed within a minute after it was live" in story.log(host)
        [told] = story.events(host)
        assert (told["MESSAGE_ID"], told["LPPACK_REASON"]) == (REFUSED, "crashed")
        helper = f"/usr/lib/lppack/{story.name}/livepatch"
        assert host.run([helper, "release"], limit=60.0).rc == 0
        assert host.run(["systemctl", "restart", story.name], limit=120.0).rc == 0
        assert story.version(host) == 1
        wait = f"until [ ! -e {story.state}/trying ]; do sleep 1; done; sync"
        assert host.run(["timeout", "200", "sh", "-c", wait], limit=220.0).rc == 0
        # killed after the minute

    with machine.up() as host:
        assert story.version(host) == 1, "that crash was none of its"
        machine.down(host)

    with machine.up("lppack.disable") as host:
        assert story.version(host) is None
        assert "the kernel command line says lppack.disable" in story.log(host)
        machine.down(host)

    with machine.up() as host:
        assert story.version(host) == 1
        host.run(["sed", "-i", "s/^SECONDS_MAX=.*/SECONDS_MAX=5/", helper], limit=60.0)
        target = story.target(host, 0)
        target.background("wait web")
        target.until(lambda: target.sleepers("lp_conn_wait") == 1)
        refused = host.run(["dpkg", "-r", story.name], limit=300.0)
        assert refused.rc != 0 and "was not unpatched in 5 s" in refused.err
        assert story.version(host) == 1, "what cannot be taken back is not removed"
        assert story.events(host)[-1]["MESSAGE_ID"] == REVERSED
        target.tell("wake web")
        removed = host.run(["dpkg", "-P", story.name], limit=300.0)
        assert removed.rc == 0, removed.err
        assert story.version(host) is None
        assert story.events(host)[-1]["MESSAGE_ID"] == DONE["revert"]
        left = ["find", "/usr/lib", "/etc/systemd", "/var/lib/lppack", "-name", f"*{story.name}*"]
        assert host.run(left, limit=60.0).out == ""
        assert host.faults() == ()


def test_what_was_being_applied_is_not_tried_again(machine: Machine, story: Story) -> None:
    with machine.up() as host:
        target = story.target(host, 0)
        target.background("wait web")
        target.until(lambda: target.sleepers("conn_wait") == 1)
        host.put(story.debs[0], "/root/new.deb")
        host.run(["sh", "-c", "dpkg -i /root/new.deb > /dev/null 2>&1 &"], limit=60.0)
        target.until(lambda: (found := story.live(host)) is not None and not found.fixes[0]["live"])
        assert target.sh(f"cat {story.state}/trying").startswith("applying ")
        # killed in the transition
    with machine.up() as host:
        host.run(["dpkg", "--configure", "-a"], limit=300.0)
        assert story.version(host) is None
        assert "held: the machine went down while it was being applied" in story.log(host)
        assert host.run(["dpkg", "-P", story.name], limit=300.0).rc == 0


def test_what_does_not_convert_is_held_by_a_crash_alone(machine: Machine, story: Story) -> None:
    helper = f"/usr/lib/lppack/{story.name}/livepatch"
    convert = r'echo 1 > "/sys/module/$MODULE/parameters/convert"'

    def live_alone(host: GuestHost) -> bool:
        found = story.live(host)
        return found is not None and found.conversion == "off"

    with machine.up() as host:
        host.put(story.debs[0], "/root/new.deb")
        assert host.run(["dpkg", "--unpack", "/root/new.deb"], limit=300.0).rc == 0
        host.run(["sed", "-i", f"s|^\t\t{convert}|\t\tfalse|", helper], limit=60.0)
        assert host.run(["dpkg", "--configure", story.name], limit=300.0).rc != 0
        assert live_alone(host), story.log(host)
        machine.down(host)  # within the minute

    with machine.up() as host:
        assert live_alone(host), story.log(host)
        # killed within the minute

    with machine.up() as host:
        assert story.live(host) is None
        assert "held: the machine crashed within a minute after it was live" in story.log(host)
        assert host.run(["dpkg", "-P", story.name], limit=300.0).rc == 0


def test_lintian_has_no_errors(story: Story) -> None:
    installed("lintian")
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error", *story.debs],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


class Host(Machine):
    """With lppack itself, from its own package."""

    deb: Path

    def add(self, root: Path) -> None:
        DebianRoot(self.kernel, root).install(self.deb)


@pytest.fixture(scope="module")
def kpatch_ko(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("k")
    shutil.copytree(ROOT / "tests/guest/programs/kpatch", work / "m")
    with ContainerBuilder().open(work, kernel) as site:
        done = site.run([*kbuild_argv(site, kernel, "m"), "modules"], limit=300.0)
    assert done.ok, done.summary(tail=30)
    return work / "m/kpatch_cmdline.ko"


def test_lppack_itself_and_what_it_adopts_at_boot(
    kernel: Kernel, kpatch_ko: Path, tmp_path: Path
) -> None:
    """Its package in a machine with systemd: the unit of adopt, and the boot guard of that."""
    Host.deb = host_deb(tmp_path)
    builder = open_builder("docker", lambda _line: None)
    (tmp_path / "m").mkdir()
    machine = Host(kernel, tmp_path / "m", builder, ("python3", "openssh-client"))
    unit = "lppack-adopt@kpatch_cmdline.service"
    place = f"/var/lib/kpatch/{kernel.release}/kpatch_cmdline.ko"
    settled = 'until [ -z "$(ls /var/lib/lppack/watched)" ]; do sleep 1; done; sync'

    def sh(host: GuestHost, line: str, *, code: int = 0) -> str:
        ran = host.run(["/bin/sh", "-c", line], limit=300.0)
        assert ran.rc == code, f"{line}: {ran.rc}\n{ran.out}{ran.err}"
        return ran.out

    def live(host: GuestHost) -> bool:
        return host.read("/proc/cmdline") == "patched by kpatch\n"

    with machine.up() as host:
        host.put(kpatch_ko, place)
        assert "no live patch is on local" in sh(host, "lppack status")
        sh(host, f"systemctl enable --now {unit}")
        assert live(host)
        assert sh(host, "ls /var/lib/lppack/watched") != ""
        # killed within the minute

    with machine.up() as host:
        assert not live(host)
        log = sh(host, f"journalctl -b -o cat -u {unit}")
        assert "the machine crashed within a minute after it was live" in log
        assert '"result": "crashed"' in sh(host, "lppack history --format json")
        sh(host, f"lppack adopt {place}", code=6)
        sh(host, f"lppack adopt {place} --again")
        assert live(host)
        sh(host, f"timeout 200 sh -c '{settled}'")
        # killed after the minute

    with machine.up() as host:
        assert live(host), "that crash was none of its"
        machine.down(host)  # in order, and within the minute

    with machine.up() as host:
        assert live(host), sh(host, f"journalctl -b -o cat -u {unit}")
        removed = sh(host, "dpkg -P lppack 2>&1")
        assert live(host), removed
        assert sh(host, "find /etc/systemd /usr/share /var/lib -name '*lppack*'") == ""
        sh(host, "lppack", code=127)
        assert host.faults() == ()
