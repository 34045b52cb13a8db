# SPDX-License-Identifier: MIT
"""A package through the life of a machine: installed, booted, crashed, upgraded, removed."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lppack import doctor, pipeline
from lppack.abi import PatchPhase
from lppack.builders.this_machine import ThisMachine
from lppack.engines.kernel import KernelEngines
from lppack.hosts.guest import GuestHost
from lppack.model import Bundle, Kernel
from lppack.pipeline.build import open_builder
from lppack.stages.status import PatchReport, status
from tests.kit.packages import MAINTAINER, name_of, state_of
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
        target.tell("wake web")
        removed = host.run(["dpkg", "-P", story.name], limit=300.0)
        assert removed.rc == 0, removed.err
        assert story.version(host) is None
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


def test_lintian_has_no_errors(story: Story) -> None:
    installed("lintian")
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error", *story.debs],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def installed(name: str) -> None:
    machine = ThisMachine()
    if not machine.which(name):
        lacking = doctor.Finding(name=name, ok=False, packages=(name,))
        doctor.fix([lacking], lambda _line: None, machine)
