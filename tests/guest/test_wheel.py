# SPDX-License-Identifier: MIT
"""A wheel that was installed elsewhere; and lppack itself inside a Debian guest, on that kernel."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack import __version__
from lppack.hosts import initramfs as initramfs_room
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Kernel
from lppack.stages.package import Format
from tests.kit.command import EXAMPLES, ROOT, Ran, lppack
from tests.kit.debian_root import DebianRoot
from tests.kit.packages import MAINTAINER, installed, unpacked
from tests.kit.rpm_root import RpmRoot
from tools.host_package import HostPackage, build
from tools.zipapp import zipapp

pytestmark = pytest.mark.guest


def run(*argv: str | Path, cwd: Path | None = None, limit: float = 300.0) -> str:
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=limit,
        env={name: text for name, text in os.environ.items() if name != "PYTHONPATH"},
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
    [made] = folder.glob("*.whl")
    return made


def test_a_wheel_installed_elsewhere_builds_and_tests_an_example(
    wheel: Path, tmp_path: Path
) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "v")
    run(tmp_path / "v/bin/pip", "install", "--quiet", f"{wheel}[author]")
    program = tmp_path / "v/bin/lppack"
    ask = "from lppack.resources import examples; print(examples())"
    examples = Path(run(tmp_path / "v/bin/python", "-c", ask, cwd=tmp_path).strip())
    assert examples.is_relative_to(tmp_path / "v"), "its own examples, not those of this clone"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(examples / "conn-limit", elsewhere / "conn-limit")
    out = run(program, "build", "conn-limit", cwd=elsewhere)
    assert (elsewhere / out.strip()).is_file()
    report = json.loads(run(program, "test", "conn-limit", "--format", "json", cwd=elsewhere))
    assert report["ok"]


def test_a_host_needs_three_packages_and_is_told_what_it_lacks(wheel: Path, tmp_path: Path) -> None:
    """The base installation, and the same in one file."""
    ran = lppack("build", EXAMPLES / "proc-cmdline", "-o", tmp_path)
    bundle = Path(ran.out.strip())
    key, policy, source = (tmp_path / name for name in ("key", "agent.yaml", "source"))
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    (tmp_path / "signers").write_text(f"a@example.org {Path(f'{key}.pub').read_text()}")
    source.mkdir()
    shutil.copy(bundle, source)
    index = f"lppack-index: 1\nserial: 1\nbundles: [{{file: {bundle.name}}}]\n"
    (source / "index.yaml").write_text(index)
    policy.write_text(f"lppack-agent: 1\nsource: {source}\nsigners: {tmp_path}/signers\n")
    run(sys.executable, "-m", "venv", tmp_path / "v")
    run(tmp_path / "v/bin/pip", "install", "--quiet", wheel)
    listed = json.loads(run(tmp_path / "v/bin/pip", "list", "--format", "json"))
    own = {row["name"].lower() for row in listed} - {"pip", "setuptools", "wheel"}
    assert own == {"lppack", "click", "pyelftools", "pyyaml"}
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "PATH": os.environ["PATH"]}
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare")
    file = zipapp(tmp_path / "lppack.pyz", wheel)
    programs: list[list[str | Path]] = [
        [tmp_path / "v/bin/lppack"],
        [tmp_path / "bare/bin/python", "-I", file],
    ]
    for program in programs:

        def lp(*words: str | Path, program: list[str | Path] = program) -> Ran:
            argv = [*map(str, program), *map(str, words)]
            done = subprocess.run(
                argv, capture_output=True, text=True, timeout=120, env=state, cwd=tmp_path
            )
            return Ran(rc=done.returncode, out=done.stdout, err=done.stderr)

        inspected = lp("inspect", bundle)
        assert inspected.rc == 0 and "proc-cmdline 1" in inspected.out, inspected.err
        simulated = ("--engine", "simulated")
        tried = lp("apply", bundle, "--dry-run", *simulated)
        assert tried.rc == 0 and "would be applied" in tried.out, tried.err
        assert lp("apply", bundle, *simulated).rc == 0
        assert "proc-cmdline 1 on simulated: patched" in lp("status", *simulated).out
        assert lp("revert", "proc-cmdline", *simulated).rc == 0
        assert lp("status").rc == 0
        assert lp("sign", source / bundle.name, source / "index.yaml", "--key", key).rc == 0
        for word in ("applied to", "live already"):
            agent = lp("agent", "--policy", policy, *simulated)
            assert agent.rc == 0 and word in agent.out, agent.err
        assert lp("revert", "proc-cmdline", *simulated).rc == 0
        policy.write_text(policy.read_text() + "colour: red\n")
        agent = lp("agent", "--policy", policy, *simulated)
        assert agent.rc == 3 and 'agent.yaml:4:1: error[unknown-key]: "colour"' in agent.err
        policy.write_text(policy.read_text().replace("colour: red\n", ""))
        spoilt = tmp_path / "spoilt.lpp"
        spoilt.write_bytes(bundle.read_bytes()[:-100])
        assert lp("apply", spoilt, *simulated).rc == 9
        for words, extra in (
            (("build", EXAMPLES / "proc-cmdline"), "author"),
            (("package", bundle, "--format", "deb", "--maintainer", "Jo <jo@a>"), "author"),
            (("simulate", EXAMPLES / "conn-limit"), "simulate"),
        ):
            refused = lp(*words, "--format", "json") if words[0] == "simulate" else lp(*words)
            assert refused.rc == 4, refused.err
            said = refused.err + refused.out
            assert f"pip install 'lppack[{extra}]'" in said
            assert "Traceback" not in said
        (tmp_path / "manifest.yaml").write_text("lppack: 1\n")
        refused = lp("validate", tmp_path)
        assert refused.rc == 3 and 'the manifest has no "name"' in refused.out + refused.err


@pytest.fixture(scope="module")
def deb(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    package = HostPackage(maintainer=MAINTAINER, date=1.8e9)
    one, two = (build(package, Format.DEB, wheel, tmp_path_factory.mktemp("deb")) for _ in range(2))
    assert one.read_bytes() == two.read_bytes(), "the same bytes each time"
    return one


@pytest.fixture(scope="module")
def root(deb: Path, kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> DebianRoot:
    """A Debian root, in which dpkg has installed lppack and what it depends on."""
    made = DebianRoot(kernel, tmp_path_factory.mktemp("root") / "root")
    made.unpack()
    made.install(deb)
    return made


@pytest.fixture(scope="module")
def debian(
    root: DebianRoot,
    kernel: Kernel,
    initramfs: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[GuestHost]:
    """A guest with that root."""
    folder = tmp_path_factory.mktemp("d")
    image = folder / "debian.cpio"
    shutil.copyfile(initramfs, image)
    initramfs_room.append_tree(image, root.path)
    with boot(kernel, work=folder / "g", initramfs=image, memory_mb=2500, limit=240.0) as host:
        yield host


def test_a_deb_is_what_debian_takes(deb: Path) -> None:
    installed("lintian")
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error", deb], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert "manual-page" not in done.stdout


def test_an_rpm_has_the_same_files_and_its_scripts_run(
    wheel: Path, deb: Path, kernel: Kernel, tmp_path: Path
) -> None:
    installed("rpmbuild", "rpm")
    package = HostPackage(maintainer=MAINTAINER, date=1.8e9)
    made = build(package, Format.RPM, wheel, tmp_path)
    files = [f"/{file}" for file in unpacked(deb, tmp_path / "x")]
    assert sorted(run("rpm", "-qlp", made).split()) == sorted(files)
    assert "python3-click >= 8.1" in run("rpm", "-qRp", made).splitlines()
    rpm_root = RpmRoot(kernel, tmp_path / "root")
    rpm_root.rpm("--install", made)
    assert rpm_root.asked() == ["daemon-reload"]
    assert rpm_root.rpm("--verify", "lppack") == ""
    compiled = rpm_root.path / "usr/share/lppack/lppack/__pycache__"
    compiled.mkdir()
    (compiled / "abi.pyc").touch()
    rpm_root.rpm("--upgrade", "--replacepkgs", made)
    assert not [line for line in rpm_root.asked() if line.startswith(("stop", "disable"))]
    rpm_root.rpm("--erase", "lppack")
    asked = rpm_root.asked()
    assert asked[0].startswith("stop lppack-agent.timer") and asked[-1] == "daemon-reload"
    assert not (rpm_root.path / "usr/share/lppack").exists()


def test_lppack_inside_a_debian_guest(debian: GuestHost, tmp_path: Path) -> None:
    """`--on local` on a real, stock kernel: apply, convert, status, revert."""
    for name in ("proc-cmdline", "conn-limit"):
        built = lppack("build", EXAMPLES / name, "-o", tmp_path)
        debian.put(Path(built.out.strip()), f"/root/{name}.lpp")
    assert "Debian" in debian.read("/etc/os-release")
    program = "lppack"

    def sh(line: str, *, code: int = 0) -> str:
        ran = debian.run(["/bin/sh", "-c", f"cd /root && {line}"], limit=120.0)
        assert ran.rc == code, f"{line}: {ran.rc}\n{ran.out}{ran.err}"
        return ran.out

    assert "no live patch is on local" in sh(f"{program} status")
    sh(f"{program} apply proc-cmdline.lpp")
    assert sh("cat /proc/cmdline").strip() == "this has been live patched"
    again = json.loads(sh(f"{program} apply proc-cmdline.lpp --format json"))
    assert again["changed"] is False
    sh(f"{program} revert proc-cmdline")
    assert "console=" in sh("cat /proc/cmdline")

    sh(
        "python3 -c \"import zipfile; zipfile.ZipFile('conn-limit.lpp')"
        ".extract('test/targets/conn.ko')\" && insmod test/targets/conn.ko"
    )
    sh("echo syn web > /proc/conn")
    sh(f"{program} apply conn-limit.lpp --phase patch")
    sh("echo syn web > /proc/conn")
    assert "web 0x00000002" in sh("cat /proc/conn")
    sh(f"{program} convert conn-limit")
    sh("echo syn web > /proc/conn")
    assert "web 0x80080003" in sh("cat /proc/conn")
    [patch] = json.loads(sh(f"{program} status --format json"))["patches"]
    assert (patch["phase"], patch["conversion"], patch["converted"]) == ("patched", "on", 1)
    assert patch["host"] == "local"
    sh(f"{program} revert conn-limit")
    assert "web 0x00000003" in sh("cat /proc/conn")
    assert "no live patch" in sh(f"{program} status")
    assert debian.faults() == ()


def test_a_deb_is_removed_without_a_trace(root: DebianRoot) -> None:
    """After the guest, which had a copy of it."""
    assert root.run("lppack", "--version") == f"lppack, version {__version__}\n"
    assert "no live patch is on simulated" in root.run("lppack", "status", "--on", "simulated")
    place = root.path
    assert (place / "usr/share/lppack/lppack/__pycache__").is_dir(), "compiled when installed"
    page = run("zcat", place / "usr/share/man/man1/lppack-apply.1.gz")
    assert "Seconds that a transition may take" in page
    wants = place / "etc/systemd/system/timers.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    guard = place / "var/lib/lppack/boot/livepatch-other"
    guard.mkdir(parents=True)
    metrics = place / "var/lib/prometheus/node-exporter/lppack.prom"
    metrics.parent.mkdir(parents=True, exist_ok=True)
    metrics.write_text("")
    root.run("dpkg", "-P", "lppack")
    found = run(
        "find", place, "-path", place / "proc", "-prune", "-o", "-name", "*lppack*", "-print"
    )
    assert found.split() == [f"{place}/var/lib/lppack"] and guard.is_dir()
