# SPDX-License-Identifier: MIT
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lppack import doctor, proc
from lppack.builders.protocol import compiler_of
from lppack.builders.this_machine import ThisMachine
from lppack.clock import Clock
from lppack.errors import EnvironmentMissing

PACKAGES = {
    "docker.io": "dockerd",
    "qemu-system-x86": "qemu-system-x86_64",
    "mmdebstrap": "mmdebstrap",
    "libdw1": "libdw.so.1",
    "openssh-client": "ssh-keygen",
}
GCC = compiler_of(None)
TOOLS = {GCC, "make", "strip", "modinfo"}
WAITS = " -o DPkg::Lock::Timeout=300"
EVERYTHING = {*PACKAGES.values(), "apt-get", "dpkg-deb", *TOOLS}


class FakeClock:
    time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class FakeMachine:
    """A machine in memory: programs, one engine, processes that obey SIGTERM."""

    programs: set[str] = field(default_factory=lambda: set(EVERYTHING))
    is_root: bool = True
    has_systemd: bool = False
    running: bool = False
    right: bool = True
    lists: bool = True  # whether apt-get install finds packages
    network: bool = True
    slow: float = 1.0  # seconds until a started engine answers
    dies: bool = False
    disk: int = 2**40
    clock: Clock = field(default_factory=FakeClock)
    ran: list[str] = field(default_factory=list)
    processes: dict[int, int] = field(default_factory=dict)
    answers_from: float = 0.0

    def which(self, program: str) -> str | None:
        return f"/usr/bin/{program}" if program in self.programs else None

    def library(self, name: str) -> bool:
        return name in self.programs

    def usable(self, path: str) -> bool:
        return False

    def exists(self, path: str) -> bool:
        return True

    def free(self, path: Path) -> int:
        return self.disk

    def engine(self) -> str:
        if not self.right:
            raise EnvironmentMissing("no right to the Docker engine's socket /run/x")
        if not self.running or self.clock.now() < self.answers_from:
            raise EnvironmentMissing("no Docker engine answers at /run/x")
        return "20.10"

    def run(self, argv: Sequence[str], *, limit: float) -> proc.Done:
        command = " ".join(argv).removeprefix("env DEBIAN_FRONTEND=noninteractive ")
        if command.startswith("apt-get install"):
            assert command.endswith(WAITS), "another apt-get is waited for"
            command = command.removesuffix(WAITS)
        self.ran.append(command)
        ok = True
        if command == "apt-get update":
            ok = self.lists = self.network
        elif command.startswith("apt-get install"):
            ok = self.lists
            if ok:
                self.programs |= {PACKAGES[word] for word in argv if word in PACKAGES}
        elif command == "systemctl start docker":
            self.running = True
        elif command == "systemctl stop docker":
            self.running = False
        err = "" if ok else "E: it failed"
        return proc.Done(argv=tuple(argv), rc=0 if ok else 100, out="", err=err, seconds=0.0)

    def spawn(self, argv: Sequence[str], log: Path) -> int:
        self.ran.append(" ".join(argv))
        self.running = True
        self.answers_from = self.clock.now() + self.slow
        if not self.dies:
            self.processes[4242] = 77
        return 4242

    def start_time(self, pid: int) -> int | None:
        return self.processes.get(pid)

    def kill(self, pid: int, number: signal.Signals) -> None:
        self.ran.append(f"kill {number.name} {pid}")
        self.processes.pop(pid, None)
        self.running = False


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "lppack"


def lacking(machine: FakeMachine) -> list[str]:
    return [f.name for f in doctor.examine(machine) if f.needed and not f.ok]


def fix(machine: FakeMachine) -> list[str]:
    said: list[str] = []
    doctor.fix(doctor.examine(machine), said.append, machine)
    return said


def test_a_whole_machine_lacks_nothing() -> None:
    machine = FakeMachine(running=True)
    assert lacking(machine) == []
    assert fix(machine) == ["nothing to install or start"]
    assert machine.ran == []


def test_kvm_and_gcc_are_for_information_only() -> None:
    machine = FakeMachine(running=True, programs=EVERYTHING - {GCC})
    found = {f.name: f for f in doctor.examine(machine)}
    assert not found[GCC].ok and not found["/dev/kvm"].ok
    assert lacking(machine) == []


def test_a_compiler_that_is_asked_for_is_installed() -> None:
    machine = FakeMachine(running=True, programs=EVERYTHING - {GCC, "strip"})
    [found] = [f for f in doctor.examine(machine, host_builder=True) if f.needed and not f.ok]
    assert found.name == GCC
    assert {GCC, "binutils", "libc6-dev", "libelf1"} <= set(found.packages)
    assert found.missing.startswith(f"{GCC}, strip not found")


def test_each_thing_that_lacks_has_its_fix() -> None:
    machine = FakeMachine(programs={"apt-get", "dpkg-deb"}, disk=2**30)
    found = {f.name: f for f in doctor.examine(machine) if f.needed and not f.ok}
    assert list(found) == [
        "Docker engine",
        "qemu-system-x86_64",
        "mmdebstrap",
        "ssh-keygen",
        "libdw.so.1",
        "disk",
    ]
    assert found["Docker engine"].fix == (
        "install docker.io, run: dockerd --iptables=false --bridge=none"
    )
    assert found["qemu-system-x86_64"].command == (
        "sudo apt-get install -y --no-install-recommends qemu-system-x86"
    )
    assert "1.0 GB free" in found["disk"].missing


def test_a_client_without_its_engine_is_no_engine() -> None:
    # /usr/local/bin/docker may be anything; dockerd is what counts.
    machine = FakeMachine(programs=(EVERYTHING - {"dockerd"}) | {"docker"})
    assert doctor.examine(machine)[0].packages == ("docker.io",)


def test_no_right_to_the_socket_is_not_no_engine() -> None:
    machine = FakeMachine(running=True, right=False)
    assert lacking(machine) == ["right to the Docker engine's socket"]
    assert "usermod -aG docker" in fix(machine)[0]
    assert machine.ran == []


def test_fix_installs_and_starts_and_then_has_nothing_to_do() -> None:
    machine = FakeMachine(programs={"apt-get", "dpkg-deb"})
    said = fix(machine)
    assert machine.ran == [
        "apt-get install -y --no-install-recommends "
        "docker.io libdw1 mmdebstrap openssh-client qemu-system-x86",
        "dockerd --iptables=false --bridge=none",
    ]
    assert said[-1] == "the Docker engine answers, version 20.10"
    assert lacking(machine) == []
    assert fix(machine) == ["nothing to install or start"]


def test_package_lists_are_fetched_when_an_install_fails() -> None:
    machine = FakeMachine(programs=EVERYTHING - {"mmdebstrap"}, running=True, lists=False)
    fix(machine)
    install = "apt-get install -y --no-install-recommends mmdebstrap"
    assert machine.ran == [install, "apt-get update", install]


def test_an_install_that_goes_on_failing_shows_why() -> None:
    machine = FakeMachine(programs=EVERYTHING - {"mmdebstrap"}, lists=False, network=False)
    with pytest.raises(EnvironmentMissing, match="E: it failed"):
        fix(machine)


def test_without_root_the_exact_commands_are_given() -> None:
    machine = FakeMachine(programs=EVERYTHING - {"dockerd"}, is_root=False)
    with pytest.raises(EnvironmentMissing, match="only root") as raised:
        fix(machine)
    assert raised.value.hint == (
        "run: sudo apt-get install -y --no-install-recommends docker.io"
        " && sudo dockerd --iptables=false --bridge=none"
    )
    assert machine.ran == []


def test_systemd_is_asked_where_it_is() -> None:
    machine = FakeMachine(has_systemd=True)
    fix(machine)
    said: list[str] = []
    doctor.undo(said.append, machine)
    assert machine.ran == ["systemctl start docker", "systemctl stop docker"]


def test_an_engine_that_never_answers_is_given_up_after_a_minute() -> None:
    machine = FakeMachine(slow=1e9)
    with pytest.raises(EnvironmentMissing, match="does not answer after 60 s") as raised:
        fix(machine)
    assert "dockerd.log" in (raised.value.hint or "")
    assert machine.clock.now() < 62


def test_an_engine_that_ends_at_once_is_told_at_once() -> None:
    machine = FakeMachine(slow=1e9, dies=True)
    with pytest.raises(EnvironmentMissing, match="ended at once"):
        fix(machine)
    assert machine.clock.now() < 1


def test_undo_stops_what_fix_started_once() -> None:
    machine = FakeMachine()
    fix(machine)
    said: list[str] = []
    doctor.undo(said.append, machine)
    doctor.undo(said.append, machine)
    assert machine.ran[1:] == ["kill SIGTERM 4242"]
    assert said == [
        "stopping the Docker engine, process 4242",
        "no record that doctor started anything on this machine",
    ]


def test_undo_spares_a_stranger_that_has_the_pid_now() -> None:
    machine = FakeMachine()
    fix(machine)
    machine.processes[4242] = 78
    said: list[str] = []
    doctor.undo(said.append, machine)
    assert said == ["the Docker engine that doctor started is already gone"]
    assert machine.processes == {4242: 78}


def test_this_machine_sees_a_child_end(tmp_path: Path) -> None:
    machine = ThisMachine()
    pid = machine.spawn(["sh", "-c", "echo started; exec sleep 60"], tmp_path / "log")
    assert machine.start_time(pid) is not None
    machine.kill(pid, signal.SIGTERM)
    for _ in range(500):
        if machine.start_time(pid) is None:
            break
        machine.clock.sleep(0.01)
    assert machine.start_time(pid) is None
    assert machine.free(tmp_path / "not/there") > 0
