# SPDX-License-Identifier: MIT
"""Build the package of lppack for hosts: `invoke deb`, `invoke rpm`; each build has the same bytes.

Its modules are in a private folder, so that one tree serves both formats; other programs do not
import them.
"""

import argparse
import gzip
import os
import re
import sys
import tempfile
import textwrap
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from lppack import __version__, proc
from lppack.errors import BuildFailed, EnvironmentMissing, LppackError
from lppack.resources import render
from lppack.stages.package import MAINTAINER, Format, build_deb, build_rpm, rows_of, write_tree

ROOT = Path(__file__).parent.parent
PLACE = "/usr/share/lppack"
#: Folders of lppack/_data with code under the GPL, because the kernel links it.
_GPL = ("kmod", "templates/module", "examples")
_NOT = "lppack/_data/templates/host/"  # templates that only build this package
_LIMIT = 600.0  # seconds, of one program
_BUILD = "the wheel needs build, and hatchling: pip install -e '.[dev]'"
_DOCS = ("CHANGELOG.md", "docs/operators.md", "docs/fleet.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPackage:
    """What the templates of templates/host/ are rendered with."""

    maintainer: str
    date: float  # seconds since 1970
    version: str = __version__
    place: str = PLACE
    #: What lppack-metrics.service writes.
    metrics: str = "/var/lib/prometheus/node-exporter/lppack.prom"

    @property
    def written(self) -> str:
        """The date in the format of a Debian changelog."""
        return formatdate(self.date)

    @property
    def mit(self) -> str:
        """The text of the MIT licence in the format of a Debian copyright file."""
        text = (ROOT / "LICENSES/MIT.txt").read_text().partition("Permission")
        paragraphs = "".join(text[1:]).strip().split("\n\n")
        return "\n.\n".join(textwrap.fill(paragraph, 78) for paragraph in paragraphs)

    @property
    def gpl(self) -> tuple[str, ...]:
        return tuple(f"{self.place}/lppack/_data/{folder}/*".lstrip("/") for folder in _GPL)


def build(package: HostPackage, format_: Format, wheel: Path, out: Path) -> Path:
    """Build the package in ``out``; return its path. Raise EnvironmentMissing or BuildFailed."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lppack-") as folder:
        work = Path(folder)
        tree = work / "tree"
        write_tree(tree, dict(_contents(package, wheel, work / "man")))
        if format_ is Format.RPM:
            spec = render("host/spec.j2", host=package, tree=tree, files=rows_of(tree))
            return build_rpm(spec, work, target="noarch", date=package.date, out=out)
        return build_deb(
            tree,
            control=lambda size: render("host/control.j2", host=package, size_kb=size),
            scripts={
                script: render(f"host/{script}.j2", host=package)
                for script in ("postinst", "prerm", "postrm")
            },
            date=package.date,
            made=out / f"lppack_{package.version}_all.deb",
        )


def _contents(
    package: HostPackage, wheel: Path, man: Path
) -> Iterator[tuple[str, tuple[int, bytes]]]:
    """Yield the path in the package of each file, and its mode and data."""
    with zipfile.ZipFile(wheel) as packed:
        for name in packed.namelist():
            if name.startswith("lppack/") and not name.startswith(_NOT):
                yield f"{PLACE}/{name}".lstrip("/"), (0o644, packed.read(name))
    yield "usr/bin/lppack", (0o755, render("host/lppack.j2", host=package).encode())
    for unit in (ROOT / "fleet/systemd").iterdir():
        yield f"usr/lib/systemd/system/{unit.name}", (0o644, unit.read_bytes())
    conf = ROOT / "fleet/tmpfiles/lppack.conf"
    yield f"usr/lib/tmpfiles.d/{conf.name}", (0o644, conf.read_bytes())
    # In a process of its own: it changes the table of commands.
    _made(["tools.man", str(man)], {"SOURCE_DATE_EPOCH": str(int(package.date))})
    for page in man.iterdir():
        yield f"usr/share/man/man1/{page.name}.gz", (0o644, _packed(page.read_bytes()))
    doc = "usr/share/doc/lppack"
    yield f"{doc}/copyright", (0o644, render("host/copyright.j2", host=package).encode())
    changelog = render("host/changelog.j2", host=package).encode()
    yield f"{doc}/changelog.gz", (0o644, _packed(changelog))
    for page in map(ROOT.joinpath, _DOCS):
        yield f"{doc}/{page.name}.gz", (0o644, _packed(page.read_bytes()))


def _packed(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


def maintainer_of(given: str | None) -> str:
    """Return ``given``, or DEBFULLNAME and DEBEMAIL, as Debian's tools do.

    Raise EnvironmentMissing if there is none, or if it is not NAME <MAIL>.
    """
    name, mail = os.environ.get("DEBFULLNAME"), os.environ.get("DEBEMAIL")
    hint = "give --maintainer 'NAME <MAIL>', or set DEBFULLNAME and DEBEMAIL"
    if given is None and not (name and mail):
        raise EnvironmentMissing("a package needs who answers for it", hint=hint)
    who = f"{name} <{mail}>" if given is None else given
    if not MAINTAINER.fullmatch(who):
        raise EnvironmentMissing(
            f'"{who}" is not a name and a mail address, which a package needs', hint=hint
        )
    return who


def date_of() -> float:
    """Return SOURCE_DATE_EPOCH, or the time of the last commit. Raise EnvironmentMissing."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is not None:
        if not re.fullmatch("[0-9]{1,10}", given):
            raise EnvironmentMissing(
                f'SOURCE_DATE_EPOCH is "{given}", and not a number of seconds since 1970',
                hint="unset it to use the date of the last commit",
            )
        return float(given)
    argv = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    try:
        done = proc.run(argv, limit=_LIMIT)
        why = "" if done.ok else done.summary()
    except EnvironmentMissing as error:
        why = error.message
    if why:
        raise EnvironmentMissing(
            f"the time of the last commit is not known: {why}",
            hint="set SOURCE_DATE_EPOCH to the date of the package, in seconds since 1970",
        )
    return float(done.out)


def _made(module: list[str], env: dict[str, str], hint: str | None = None) -> None:
    """Run a module of Python. Raise BuildFailed."""
    done = proc.run(
        [sys.executable, "-m", *module], limit=_LIMIT, cwd=ROOT, env={**os.environ, **env}
    )
    if not done.ok:
        raise BuildFailed(done.summary(), hint=hint)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=[each.value for each in Format])
    parser.add_argument("--maintainer", metavar="'NAME <MAIL>'")
    words = parser.parse_args()
    try:
        package = HostPackage(maintainer=maintainer_of(words.maintainer), date=date_of())
        with tempfile.TemporaryDirectory(prefix="lppack-") as folder:
            _made(["build", "--wheel", "--outdir", folder, str(ROOT)], {}, _BUILD)
            [wheel] = Path(folder).glob("*.whl")
            made = build(package, Format(words.format), wheel, ROOT / "dist")
    except LppackError as error:
        print(error.message, file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    print(f"{made}: {made.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
