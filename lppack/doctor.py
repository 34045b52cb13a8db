# SPDX-License-Identifier: MIT
"""Check what this machine has and lacks; the only code that installs packages or starts a
service."""

import contextlib
import json
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lppack import store
from lppack.builders.protocol import compiler_of
from lppack.builders.this_machine import MachineAccess, ThisMachine
from lppack.clock import Deadline
from lppack.errors import EnvironmentMissing
from lppack.kernel import libdw
from lppack.proc import Say

DISK_NEEDED = 3 * 2**30
_DOCKERD = ("dockerd", "--iptables=false", "--bridge=none")
_START_LIMIT = 60.0
_STOP_LIMIT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One requirement of lppack: whether it is met, and how to meet it."""

    name: str
    ok: bool
    needed: bool = True  # False: for information only, lppack works without it
    found: str = ""  # what was found, if ok
    missing: str = ""  # what is missing, and what needs it
    fix: str = ""  # what --fix would do; "" if --fix can do nothing
    command: str = ""  # the command that fixes it by hand
    packages: tuple[str, ...] = ()  # Debian packages that --fix installs
    starts_engine: bool = False  # whether --fix starts the Docker engine


def examine(
    machine: MachineAccess | None = None, *, host_builder: bool = False
) -> tuple[Finding, ...]:
    """Return a finding for each requirement of lppack; change nothing."""
    machine = machine or ThisMachine()
    return (
        *_engine(machine),
        _program(machine, "qemu-system-x86_64", "qemu-system-x86", "lppack test, guest"),
        _program(machine, "mmdebstrap", "mmdebstrap", "the compiler image, if none can be pulled"),
        _program(machine, "apt-get", "apt", "fetching kernels"),
        _program(machine, "dpkg-deb", "dpkg", "unpacking kernels"),
        _program(machine, "ssh-keygen", "openssh-client", "lppack sign, verify, --on ssh:HOST"),
        _libdw(machine),
        _disk(machine),
        _kvm(machine),
        _gcc(machine, needed=host_builder),
    )


def fix(findings: Iterable[Finding], say: Say, machine: MachineAccess | None = None) -> None:
    """Install and start what ``findings`` report as missing; print each step before taking it."""
    machine = machine or ThisMachine()
    lacking = [finding for finding in findings if finding.needed and not finding.ok]
    packages = sorted({package for finding in lacking for package in finding.packages})
    starts = any(finding.starts_engine for finding in lacking)
    if not machine.is_root and (packages or starts):
        commands = [finding.command for finding in lacking if finding.command]
        raise EnvironmentMissing(
            "only root may install packages and start the Docker engine",
            hint="run: " + " && ".join(dict.fromkeys(commands)),
        )
    if packages:
        _install(packages, say, machine)
    if starts:
        _start_engine(say, machine)
    for finding in lacking:
        if not finding.packages and not finding.starts_engine:
            say(f"{finding.name}: {finding.missing}; by hand: {finding.command}")
    if not packages and not starts:
        say("nothing to install or start")


def undo(say: Say, machine: MachineAccess | None = None) -> None:
    """Stop what ``fix`` started; installed packages stay."""
    machine = machine or ThisMachine()
    with store.locked(_note().with_suffix(".lock")):
        try:
            note = json.loads(_note().read_text())
        except (OSError, ValueError):
            say("no record that doctor started anything on this machine")
            return
        if note.get("systemd"):
            say("stopping the Docker engine: systemctl stop docker")
            done = machine.run(["systemctl", "stop", "docker"], limit=_START_LIMIT)
            if not done.ok:
                raise EnvironmentMissing(done.summary())
        elif machine.start_time(note["pid"]) == note["start_time"]:
            say(f"stopping the Docker engine, process {note['pid']}")
            _stop(note["pid"], note["start_time"], machine)
        else:
            say("the Docker engine that doctor started is already gone")
        _note().unlink(missing_ok=True)


def _engine(machine: MachineAccess) -> tuple[Finding, Finding]:
    engine, right = "Docker engine", "right to the Docker engine's socket"
    try:
        version = machine.engine()
    except EnvironmentMissing as error:
        if "no right" in error.message:
            return (
                Finding(name=engine, ok=True, found="its socket is there"),
                Finding(
                    name=right,
                    ok=False,
                    missing=error.message,
                    command="sudo usermod -aG docker $USER  (then log in again)",
                ),
            )
        # Check the engine: "docker" on PATH may be only a client, or another program.
        packages = () if machine.which("dockerd") else ("docker.io",)
        start = "systemctl start docker" if machine.has_systemd else " ".join(_DOCKERD)
        install = [f"sudo {_install_command(packages)}"] if packages else []
        return (
            Finding(
                name=engine,
                ok=False,
                missing=error.message,
                fix=f"{'install docker.io, ' if packages else ''}run: {start}",
                command=" && ".join([*install, f"sudo {start}"]),
                packages=packages,
                starts_engine=True,
            ),
            Finding(
                name=right, ok=False, needed=False, missing="not known: no Docker engine answers"
            ),
        )
    return (
        Finding(name=engine, ok=True, found=f"version {version}"),
        Finding(name=right, ok=True, found="yes"),
    )


def _program(machine: MachineAccess, program: str, package: str, purpose: str) -> Finding:
    path = machine.which(program)
    if path:
        return Finding(name=program, ok=True, found=path)
    if not machine.which("apt-get"):
        return Finding(
            name=program,
            ok=False,
            missing=f"not found (for {purpose}); this is not a Debian machine",
            command=f"install {program} with this system's package manager",
        )
    return Finding(
        name=program,
        ok=False,
        missing=f"not found (for {purpose})",
        fix=f"install {package}",
        command=f"sudo {_install_command([package])}",
        packages=(package,),
    )


def _libdw(machine: MachineAccess) -> Finding:
    if machine.library(libdw.LIBRARY):
        return Finding(name=libdw.LIBRARY, ok=True, found="can be loaded")
    return Finding(
        name=libdw.LIBRARY,
        ok=False,
        missing="not found (for --deep, which reads debug information)",
        fix=f"install {libdw.PACKAGE}",
        command=f"sudo {_install_command([libdw.PACKAGE])}",
        packages=(libdw.PACKAGE,),
    )


def _disk(machine: MachineAccess) -> Finding:
    cache = store.cache_dir()
    free = machine.free(cache)
    text = f"{free / 2**30:.1f} GB free in {cache}"
    if free >= DISK_NEEDED:
        return Finding(name="disk", ok=True, found=text)
    return Finding(
        name="disk",
        ok=False,
        missing=f"{text}, {DISK_NEEDED / 2**30:.0f} GB needed",
        command="make room, or set XDG_CACHE_HOME to a larger disk",
    )


def _kvm(machine: MachineAccess) -> Finding:
    if machine.usable("/dev/kvm"):
        return Finding(
            name="/dev/kvm",
            ok=True,
            needed=False,
            found="exists; the first guest tests whether it works",
        )
    why = "no permission" if machine.exists("/dev/kvm") else "does not exist"
    return Finding(
        name="/dev/kvm", ok=False, needed=False, missing=f"{why}: guests are emulated, and slower"
    )


def _gcc(machine: MachineAccess, *, needed: bool) -> Finding:
    compiler = compiler_of(None)
    # objtool, which kbuild calls, is linked with libelf; kmod is for depmod and modinfo.
    packages = (compiler, "make", "libc6-dev", "binutils", "kmod", "libelf1")
    missing = [name for name in (compiler, "make", "strip", "modinfo") if not machine.which(name)]
    if not missing:
        return Finding(name=compiler, ok=True, needed=needed, found=str(machine.which(compiler)))
    return Finding(
        name=compiler,
        ok=False,
        needed=needed,
        missing=f"{', '.join(missing)} not found: for --builder host",
        fix=f"install {' '.join(packages)}" if needed else "",
        command=f"sudo {_install_command(packages)}",
        packages=packages if needed else (),
    )


def _install_command(packages: Iterable[str]) -> str:
    return f"apt-get install -y --no-install-recommends {' '.join(packages)}"


def _install(packages: Sequence[str], say: Say, machine: MachineAccess) -> None:
    # Wait for another apt-get, for example of unattended-upgrades.
    command = ["env", "DEBIAN_FRONTEND=noninteractive", *_install_command(packages).split()]
    command += ["-o", "DPkg::Lock::Timeout=300"]
    say(f"installing {', '.join(packages)}: {_install_command(packages)}")
    # Empty or old package lists are the usual reason for a failure.
    if not (done := machine.run(command, limit=900)).ok:
        say("the installation failed; updating the package lists: apt-get update")
        update = machine.run(["apt-get", "update"], limit=300)
        if not update.ok:
            raise EnvironmentMissing(update.summary(), hint="check the network")
        done = machine.run(command, limit=900)
    if not done.ok:
        raise EnvironmentMissing(done.summary(), hint="see the messages of apt-get above")


def _start_engine(say: Say, machine: MachineAccess) -> None:
    with store.locked(_note().with_suffix(".lock")):
        with contextlib.suppress(EnvironmentMissing):  # installing docker.io may start it
            say(f"the Docker engine answers already, version {machine.engine()}")
            return
        log = store.state_dir() / "dockerd.log"
        deadline = Deadline(_START_LIMIT, clock=machine.clock)
        if machine.has_systemd:
            say("starting the Docker engine: systemctl start docker")
            done = machine.run(["systemctl", "start", "docker"], limit=_START_LIMIT)
            if not done.ok:
                raise EnvironmentMissing(done.summary(), hint="see: journalctl -u docker")
            note: dict[str, object] = {"systemd": True}
            store.write_atomic(_note(), json.dumps(note).encode())
            hint = "see: journalctl -u docker"
            pid = None
        else:
            say(f"starting the Docker engine: {' '.join(_DOCKERD)}  (log: {log})")
            log.parent.mkdir(parents=True, exist_ok=True)
            pid = machine.spawn(_DOCKERD, log)
            note = {"pid": pid, "start_time": machine.start_time(pid)}
            store.write_atomic(_note(), json.dumps(note).encode())
            hint = f"its log is {log}"
        while True:
            with contextlib.suppress(EnvironmentMissing):
                say(f"the Docker engine answers, version {machine.engine()}")
                return
            if pid is not None and machine.start_time(pid) is None:
                _note().unlink(missing_ok=True)
                raise EnvironmentMissing("the Docker engine ended at once", hint=hint)
            if deadline.expired:
                raise EnvironmentMissing(
                    f"the Docker engine does not answer after {_START_LIMIT:.0f} s", hint=hint
                )
            deadline.pause(0.3)


def _stop(pid: int, start: int, machine: MachineAccess) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        machine.kill(pid, number)
        deadline = Deadline(_STOP_LIMIT, clock=machine.clock)
        while not deadline.expired:
            if machine.start_time(pid) != start:
                return
            deadline.pause(0.2)
    raise EnvironmentMissing(f"process {pid} cannot be stopped", hint=f"look at: ps -fp {pid}")


def _note() -> Path:
    return store.state_dir() / "doctor.json"
