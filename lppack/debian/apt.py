# SPDX-License-Identifier: MIT
"""This machine's package sources, read through apt with lppack's own directories.

Works as any user; nothing under /etc or /var is written and no hook of the machine's apt runs.
"""

import contextlib
import difflib
import errno
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from lppack import entries, proc, store
from lppack.debian import deb, sources
from lppack.debian.supported import BESIDE, KERNEL_SUITES, RELEASES
from lppack.errors import EnvironmentMissing

LISTS_FRESH_FOR = 24 * 3600.0

_CONFIGURATION = """\
{main}
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Dir::State "{home}";
Dir::State::lists "{home}/lists";
Dir::State::status "{home}/status";
Dir::Cache "{home}";
Dir::Cache::archives "{home}/archives";
Dir::Cache::pkgcache "{home}/pkgcache.bin";
Dir::Cache::srcpkgcache "";
Dir::Log "{home}";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{home}/sources.list.d";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"""
_SAFE_OPTION = re.compile(r"Acquire::(Check-|https?::Proxy|Retries)[^\s]* \".*\";")
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")


class Apt:
    """The packages of one Debian release, as this machine's sources offer them.

    ``release``: None means the machine's own release, or all sources if none names that release. A
    release that no source names is read from the address of the machine's own release.
    """

    def __init__(self, release: str | None = None, *, etc: Path = Path("/etc/apt")) -> None:
        self.release = release or sources.codename()
        self.texts = sources.read(etc, self.release or None)
        if not self.texts and release is None:
            self.texts = sources.read(etc, None)
        debians = release in RELEASES or release in BESIDE
        if not self.texts and release and debians and (own := sources.codename()):
            self.texts = sources.renamed(sources.read(etc, own), own, release)
        if not self.texts:
            known = ", ".join(sources.suites(sources.read(etc, None))) or "none at all"
            raise EnvironmentMissing(
                f"no package source for {self.release or 'this machine'} in {etc}",
                hint=f"the sources there name: {known}",
            )
        self._etc = etc
        self._main = etc / "apt.conf"
        self._tried = False  # one attempt per process: without a network, the next would also fail
        self._prepared = False
        identity = hashlib.sha256(repr(sorted(self.texts.items())).encode()).hexdigest()[:12]
        self.home = store.cache_dir() / "apt" / identity

    def others(self) -> "Iterator[Apt]":
        """Yield the other suites whose kernels lppack knows, where this machine can reach them."""
        for suite in KERNEL_SUITES:
            if suite != self.release:
                with contextlib.suppress(EnvironmentMissing):
                    yield Apt(suite, etc=self._etc)

    @property
    def stamp(self) -> str:
        """Return a text that changes with the package lists; "" if there are none yet."""
        try:
            return str((self.home / "updated").stat().st_mtime_ns)
        except FileNotFoundError:
            return ""

    @property
    def fresh(self) -> bool:
        """Return True if the lists are younger than a day."""
        return bool(self.stamp) and self.age < LISTS_FRESH_FOR

    @property
    def age(self) -> float:
        """Return the seconds since the lists were fetched; infinite if there are none."""
        return abs(time.time() - int(self.stamp) / 1e9) if self.stamp else float("inf")

    def update(self, *, fresh: bool = False) -> None:
        """Make sure that the package lists are younger than a day, or just fetched with ``fresh``.

        If the lists cannot be updated, use the old ones, unless ``fresh``.
        """
        if not fresh and (self.fresh or (self._tried and self.stamp)):
            return
        self._tried = True
        before = self.stamp
        with store.locked(self.home / "lock"):
            if self.stamp != before:  # another process has updated them
                return
            self._prepare()
            done = self._run(["apt-get", "-q", "update"], limit=300)
            if done.ok:
                store.write_atomic(self.home / "updated", b"")
            elif fresh or not self.stamp:
                raise _unreachable("the package lists cannot be fetched", done)

    def package_names(self, prefix: str) -> tuple[str, ...]:
        """Return all packages whose name begins with ``prefix``, sorted."""
        self.update()
        return tuple(sorted(self._run(["apt-cache", "pkgnames", "--", prefix]).out.split()))

    def candidate(self, name: str) -> str | None:
        """Return the version that apt would install; None: there is no such package."""
        match = re.search(r"^  Candidate: (\S+)$", self._policy(name), re.MULTILINE)
        return match[1] if match and match[1] != "(none)" else None

    def versions(self, name: str) -> dict[str, str]:
        """Return every available version with its suite, highest version first."""
        return parse_policy(self._policy(name))

    def depends(self, name: str, version: str) -> tuple[str, ...]:
        """Return the ``Depends`` of one version, as written: "linux-kbuild-6.1 (>= 6.1.192-2)"."""
        self.update()
        shown = self._run(["apt-cache", "show", "--", f"{name}={version}"])
        text = deb.parse_control(shown.out).get("Depends", "")
        return tuple(part.strip() for part in text.split(",") if part.strip())

    def download(self, name: str, version: str | None, into: Path) -> Path:
        """Download a package into ``into``, and return the file; apt verifies its checksum."""
        chosen = version or self.candidate(name)
        if chosen is None or chosen not in self.versions(name):
            raise self._no_such(name, chosen)
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into, prefix=".download.") as draft:
            done = self._run(
                ["apt-get", "-q", "download", "--", f"{name}={chosen}"],
                limit=900,
                cwd=Path(draft),
            )
            files = sorted(Path(draft).glob("*.deb"))
            if not done.ok or len(files) != 1:
                raise _unreachable(f"package {name} {chosen} cannot be fetched", done)
            return files[0].rename(into / files[0].name)

    def uri(self, name: str, version: str) -> str:
        """Return the URI of the package file."""
        done = self._run(["apt-get", "-q", "download", "--print-uris", "--", f"{name}={version}"])
        found = re.search(r"^'([^']+)' ", done.out, re.MULTILINE)
        if found is None:
            raise _unreachable(f"package {name} {version} is nowhere", done)
        return found[1]

    def proxy(self, scheme: str) -> str | None:
        """Return the proxy that this machine's apt uses for http or https; None if it uses none."""
        wanted = f"Acquire::{scheme}::Proxy "
        lines = [line for line in self.options() if line.startswith(wanted)]
        text = lines[0].split('"')[1] if lines else ""
        return text if "://" in text else None

    def source_files(self) -> tuple[Path, ...]:
        """Return the files that list the package sources."""
        self._prepare()
        return tuple(self.home / "sources.list.d" / name for name in sorted(self.texts))

    def options(self) -> tuple[str, ...]:
        """Return this machine's apt options for access to its sources (proxy, date checks)."""
        self._prepare()
        dump = self._run(["apt-config", "dump"]).out
        return tuple(line for line in dump.splitlines() if _SAFE_OPTION.fullmatch(line))

    def _policy(self, name: str) -> str:
        self.update()
        if not _NAME.fullmatch(name):
            return ""
        return self._run(["apt-cache", "policy", "--", name]).out

    def _no_such(self, name: str, version: str | None) -> EnvironmentMissing:
        offered = tuple(self.versions(name))
        if offered:
            return EnvironmentMissing(
                f"package {name} has no version {version} in the sources of {self.release}",
                hint=f"there is: {', '.join(offered)}",
            )
        prefix = name.partition("-")[0] if "-" in name else name[:3]
        near = difflib.get_close_matches(name, self.package_names(prefix), n=5)
        return EnvironmentMissing(
            f"no package {name} in the sources of {self.release}",
            hint=f"closest: {', '.join(near)}" if near else "look at the sources in /etc/apt",
        )

    def _prepare(self) -> None:
        with store.disk_errors(self.home):
            for folder in ("lists/partial", "archives/partial", "sources.list.d"):
                (self.home / folder).mkdir(parents=True, exist_ok=True)
        entries.hold(self.home)
        for name, text in self.texts.items():
            _write(self.home / "sources.list.d" / name, text.encode())
        _write(self.home / "status", b"")
        # apt.conf(5): APT_CONFIG is read first, then the machine's apt.conf.d, then Dir::Etc::main:
        # so ours comes last, and may clear the hooks. The machine's own main file is included.
        main = f'#include "{self._main}";' if self._main.is_file() else ""
        # Use the resolved path of the cache: apt ignores a file that does not exist, and would use
        # the machine's own lists.
        home = self.home.resolve()
        text = _CONFIGURATION.format(home=home, main=main)
        _write(home / "apt.conf", text.encode())
        first = f'Dir::Etc::main "{home}/apt.conf";\n'
        _write(home / "first.conf", first.encode())
        self._prepared = True

    def _run(self, argv: Sequence[str], *, limit: float = 60, cwd: Path | None = None) -> proc.Done:
        if not self._prepared:  # also if the lists are fresh, because the cache may have been moved
            self._prepare()
        env = {"APT_CONFIG": str(self.home / "first.conf"), "TMPDIR": tempfile.gettempdir()}
        return proc.run(argv, limit=limit, cwd=cwd, env=env)


def _write(path: Path, data: bytes) -> None:
    """Write a file, unless it has this content already.

    After a change, apt needs a second or more to build its pkgcache.bin again.
    """
    if not path.is_file() or path.read_bytes() != data:
        store.write_atomic(path, data)


def parse_policy(text: str) -> dict[str, str]:
    """Return the version table of ``apt-cache policy``: the suite of each version."""
    found: dict[str, str] = {}
    version = ""
    for line in text.partition("Version table:")[2].splitlines():
        if match := re.fullmatch(r" (?:   |\*\*\*) ?(\S+)(?: -?\d+)?", line):
            version = match[1]
        elif match := re.fullmatch(r"\s+-?\d+ \S+ ([^/\s]+)/\S* (?:\S+ )?Packages", line):
            found.setdefault(version, match[1])
    return found


def _unreachable(what: str, done: proc.Done) -> EnvironmentMissing:
    said = [
        line.strip() for line in (done.err + done.out).splitlines() if line.startswith(("E:", "W:"))
    ]
    reason = said[0] if said else done.summary(tail=3)
    if done.timed_out:
        reason = f"no answer in {done.seconds:.0f} s"
    hint = "check the network and the sources in /etc/apt"
    if any(f"{os.strerror(errno.ENOSPC)}" in line for line in (*said, reason)):
        hint = store.ROOM
    return EnvironmentMissing(f"{what}: {reason}", hint=hint)
