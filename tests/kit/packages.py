# SPDX-License-Identifier: MIT
"""What tests of packages share."""

import subprocess
import sys
from pathlib import Path

from lppack import doctor
from lppack.builders.this_machine import ThisMachine
from lppack.stages.package import Format, Package, package_of
from tests.kit import samples
from tests.kit.command import ROOT
from tools.host_package import HostPackage, build

MAINTAINER = "Jo Doe <jo@example.org>"
KO = b"\x7fELF not really" * 100


def package_in(folder: Path, **changes: object) -> Package:
    """What is packed of a bundle in ``folder``."""
    path = folder / "x.lpp"
    path.write_bytes(b"")
    bundle = samples.bundle(path=path, **changes)
    files = {f"{bundle.module}.ko": KO, "lppack_engine.ko": KO}
    return package_of(bundle, samples.manifest(), files, maintainer=MAINTAINER)


def unpacked(deb: Path, folder: Path) -> list[Path]:
    """Unpack a .deb; return its files, relative to ``folder``."""
    subprocess.run(["dpkg-deb", "-x", deb, folder], check=True)
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder) for path in files)


def name_of(deb: Path) -> str:
    shown = ["dpkg-deb", "-f", str(deb), "Package"]
    return subprocess.run(shown, capture_output=True, text=True, check=True).stdout.strip()


def helper_of(deb: Path) -> str:
    return f"/usr/lib/lppack/{name_of(deb)}/livepatch"


def state_of(deb: Path) -> str:
    return f"/var/lib/lppack/boot/{name_of(deb)}"


def installed(name: str, package: str | None = None) -> None:
    """Install the package of a program that is not here."""
    machine = ThisMachine()
    if not machine.which(name):
        lacking = doctor.Finding(name=name, ok=False, packages=(package or name,))
        doctor.fix([lacking], lambda _line: None, machine)


def host_deb(folder: Path) -> Path:
    """Build lppack itself as a .deb."""
    argv = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(argv, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    return build(HostPackage(maintainer=MAINTAINER, date=1.8e9), Format.DEB, wheel, folder)
