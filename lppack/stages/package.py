# SPDX-License-Identifier: MIT
"""package: turn a bundle into a distribution's package, which applies the patch at each boot.

The host does not need lppack: a shell script in the package (templates/package/livepatch) applies
and reverts the patch.
"""

import gzip
import hashlib
import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from enum import StrEnum
from pathlib import Path

from lppack import abi, proc
from lppack.consistency import EngineName
from lppack.errors import BuildFailed, EnvironmentMissing
from lppack.model import Bundle, Manifest
from lppack.resources import render
from lppack.stages.journald import DONE, REFUSED, REVERSED, STUCK

_LIMIT = 120.0  # seconds for the packaging tool
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]*")
MAINTAINER = re.compile(r"[^<>%\n]+ <[^<>@%\s]+@[^<>@%\s]+>")


class Format(StrEnum):
    DEB = "deb"
    RPM = "rpm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """The values for the templates in templates/package/."""

    bundle: Bundle
    author: str
    license: str
    maintainer: str
    summary: str
    date: float  # seconds since 1970
    files: Mapping[str, bytes]  # files of the bundle

    @property
    def name(self) -> str:
        return f"livepatch-{self.bundle.series}-{self.bundle.release}".lower().replace("_", "-")

    @property
    def helper(self) -> str:
        return f"/usr/lib/lppack/{self.name}/livepatch"

    @property
    def series(self) -> str:
        return self.bundle.series

    @property
    def version(self) -> int:
        return self.bundle.version

    @property
    def module(self) -> str:
        return self.bundle.module

    @property
    def release(self) -> str:
        return self.bundle.release

    @property
    def kernel(self) -> str:
        return self.bundle.kernel_version

    @property
    def quoted_kernel(self) -> str:
        """Return the kernel's version, quoted for a shell."""
        return shlex.quote(self.kernel)

    @property
    def replaces(self) -> tuple[str, ...]:
        return self.bundle.replaces

    @property
    def converts(self) -> bool:
        return self.bundle.converts

    @property
    def by_engine(self) -> bool:
        return self.bundle.engine is EngineName.CONSISTENCY

    @property
    def fixes(self) -> tuple[str, ...]:
        return tuple(fix.name for fix in self.bundle.fixes)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.bundle.path.read_bytes()).hexdigest()

    @property
    def events(self) -> Mapping[str, str]:
        """Return the MESSAGE_IDs that the script sends to systemd's journal; the same as
        lppack's."""
        others = {"reversed": REVERSED, "refused": REFUSED, "stuck": STUCK}
        return {**DONE, **others}

    @property
    def written(self) -> str:
        """Return the date in the form of a Debian changelog."""
        return formatdate(self.date)


def package_of(
    bundle: Bundle, manifest: Manifest, files: Mapping[str, bytes], *, maintainer: str | None
) -> Package:
    """Return the content of a package. Raise EnvironmentMissing if its fields cannot express it."""
    who = maintainer or manifest.author
    if not MAINTAINER.fullmatch(who):
        raise EnvironmentMissing(
            f'"{who}" is not a name and a mail address, which a package needs',
            hint="give --maintainer 'NAME <MAIL>'",
        )
    lines = (bundle.kernel_version, manifest.author, manifest.license, manifest.description)
    if not _RELEASE.fullmatch(bundle.release) or not all(map(str.isprintable, lines)):
        raise EnvironmentMissing(
            f"{bundle.path}: a package cannot name its kernel or its author",
            hint="give a bundle built by lppack",
        )
    return Package(
        bundle=bundle,
        author=manifest.author,
        license=manifest.license,
        maintainer=who,
        summary=manifest.description,
        date=bundle.path.stat().st_mtime,
        files=files,
    )


def pack(package: Package, format_: Format, work: Path, out: Path) -> Path:
    """Pack in ``work`` with the distribution's own tool; return the file in ``out``.

    Raise EnvironmentMissing (the tool is missing), BuildFailed (with the tool's message).
    """
    tree = work / "tree"
    write_tree(tree, _contents(package))
    out.mkdir(parents=True, exist_ok=True)
    return _PACKERS[format_](package, tree, work, out)


def write_tree(tree: Path, contents: Mapping[str, tuple[int, bytes]]) -> None:
    """Write the files of a package: path, with mode and data."""
    for name, (mode, data) in contents.items():
        file = tree / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        file.chmod(mode)
    for folder in (tree, *(path for path in tree.rglob("*") if path.is_dir())):
        folder.chmod(0o755)


def _contents(package: Package) -> dict[str, tuple[int, bytes]]:
    """Return the files of the package: path, with mode and data."""

    def text(template: str) -> bytes:
        return render(f"package/{template}.j2", package=package).encode()

    name = package.name
    modules = f"usr/lib/modules/{package.release}/updates/lppack/{name}"
    wanted = [package.module, *([abi.ENGINE] if package.by_engine else [])]
    units, doc = "usr/lib/systemd/system", f"usr/share/doc/{name}"
    return {
        **{f"{modules}/{each}.ko": (0o644, package.files[f"{each}.ko"]) for each in wanted},
        package.helper.lstrip("/"): (0o755, text("livepatch")),
        f"{units}/{name}.service": (0o644, text("service")),
        f"{units}/{name}-settled.service": (0o644, text("settled.service")),
        f"{doc}/copyright": (0o644, text("copyright")),
        f"{doc}/changelog.gz": (0o644, gzip.compress(text("changelog"), 9, mtime=0)),
    }


def _deb(package: Package, tree: Path, work: Path, out: Path) -> Path:
    return build_deb(
        tree,
        control=lambda size: render("package/control.j2", package=package, size_kb=size),
        scripts={
            script: render(f"package/{script}.j2", package=package)
            for script in ("postinst", "prerm", "postrm")
        },
        date=package.date,
        made=out / f"{package.name}_{package.version}_amd64.deb",
    )


def _rpm(package: Package, tree: Path, work: Path, out: Path) -> Path:
    # In a spec, % starts a macro, so escape it.
    spec = render("package/spec.j2", package=package, tree=tree, files=rows_of(tree))
    return build_rpm(spec, work, target="x86_64", date=package.date, out=out)


_PACKERS: Mapping[Format, Callable[[Package, Path, Path, Path], Path]] = {
    Format.DEB: _deb,
    Format.RPM: _rpm,
}


def build_deb(
    tree: Path,
    *,
    control: Callable[[int], str],
    scripts: Mapping[str, str],
    date: float,
    made: Path,
) -> Path:
    """Pack ``tree`` into the file ``made``; the same bytes for the same ``date``.

    ``control``: returns the control file for an installed size in KiB. Raise EnvironmentMissing,
    BuildFailed.
    """
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    sums = [f"{_md5(path)}  {path.relative_to(tree)}\n" for path in files]
    size = sum(-(-path.stat().st_size // 1024) for path in files)
    place = tree / "DEBIAN"
    place.mkdir(mode=0o755)
    (place / "md5sums").write_text("".join(sums))
    (place / "control").write_text(control(size))
    for script, text in scripts.items():
        (place / script).write_text(text)
        (place / script).chmod(0o755)
    for path in (tree, *tree.rglob("*")):
        os.utime(path, (date, date))
    _run(["dpkg-deb", "--root-owner-group", "--build", str(tree), str(made)], date, "dpkg")
    return made


def rows_of(tree: Path) -> list[tuple[str, Path]]:
    """Return the mode and path of each file, for a spec."""
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    return [(f"{path.stat().st_mode & 0o777:04o}", path.relative_to(tree)) for path in files]


def build_rpm(spec: str, work: Path, *, target: str, date: float, out: Path) -> Path:
    """Build the one package of ``spec``; return its file in ``out``.

    Raise EnvironmentMissing, BuildFailed.
    """
    file = work / "package.spec"
    file.write_text(spec)
    macros = {
        "_topdir": work / "rpm",
        "_rpmdir": work / "made",
        "_buildhost": "lppack",
        "use_source_date_epoch_as_buildtime": 1,
        "clamp_mtime_to_source_date_epoch": 1,
    }
    defines = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
    _run(["rpmbuild", "-bb", "--target", target, *defines, str(file)], date, "rpm")
    [built] = (work / "made").rglob("*.rpm")
    made = out / built.name
    made.write_bytes(built.read_bytes())
    return made


def _run(argv: list[str], date: float, brings: str) -> None:
    try:
        done = proc.run(argv, limit=_LIMIT, env={"SOURCE_DATE_EPOCH": str(int(date))})
    except EnvironmentMissing as error:
        error.hint = f"install it: apt-get install {brings}"
        raise
    if not done.ok:
        raise BuildFailed(f"the package was not built\n{done.summary()}")


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
