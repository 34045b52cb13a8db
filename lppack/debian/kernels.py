# SPDX-License-Identifier: MIT
"""Find, fetch and unpack kernels from the package sources."""

import contextlib
import difflib
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from lppack import entries, proc, store
from lppack.debian import deb, sources
from lppack.debian.apt import Apt
from lppack.debian.supported import BESIDE
from lppack.debian.tree import (
    IMAGE,
    from_package,
    from_tree,
    kernel_in,
    suite_of_version,
    write_note,
)
from lppack.errors import EnvironmentMissing
from lppack.model import Kernel

_RELEASE = re.compile(r"\d+\.\d+\S*")


class Source(Protocol):
    """A source of packages; Apt is the real one."""

    def others(self) -> "Iterator[Source]":
        """Yield further sources to search for packages that this one lacks, in this order."""

    @property
    def fresh(self) -> bool: ...

    @property
    def stamp(self) -> str: ...

    @property
    def age(self) -> float: ...

    def update(self, *, fresh: bool = False) -> None: ...

    def package_names(self, prefix: str) -> tuple[str, ...]: ...

    def candidate(self, name: str) -> str | None: ...

    def versions(self, name: str) -> dict[str, str]: ...

    def depends(self, name: str, version: str) -> tuple[str, ...]: ...

    def download(self, name: str, version: str | None, into: Path) -> Path: ...


def available(patterns: Sequence[str], *, source: Source | None = None) -> tuple[str, ...]:
    """Return the available releases (with image and headers) that a pattern matches, newest first.

    "*" matches no "-", so that "6.1.0-*-amd64" is not a cloud kernel. Other suites than the
    machine's own are searched only if its own has no match.
    """
    wanted = [
        re.compile("[^-]*".join(re.escape(part) for part in pattern.split("*")))
        for pattern in patterns
    ]
    for one in everywhere(source or Apt()):
        found = [
            release
            for release in _offered(one)
            if not patterns or any(pattern.fullmatch(release) for pattern in wanted)
        ]
        if found:
            return tuple(sorted(found, key=deb.version_key, reverse=True))
    return ()


def fetch(release: str, *, source: Source | None = None) -> Kernel:
    """Return the kernel ``release`` with its headers, unpacked in the cache; query apt once a
    day."""
    source = source or Apt()
    note = store.cache_dir() / "kernels" / f"{release}.json"
    for one in everywhere(source):
        if tree := _recall(note, one, IMAGE):
            return from_tree(tree)
    for one in everywhere(source):
        if tree := _fetch(release, note, one):
            return from_tree(tree)
    raise _no_such(release, source)


def everywhere(source: Source) -> Iterator[Source]:
    """Yield ``source``, and then its others()."""
    yield source
    yield from source.others()


def _fetch(release: str, note: Path, source: Source) -> Path | None:
    """Return the tree of the kernel from ``source``; None if it does not have the kernel."""
    with _remembered(note, source, IMAGE) as known:
        if not known:
            version = source.candidate(f"linux-image-{release}")
            if version is None or not source.candidate(f"linux-headers-{release}"):
                return None
            tree = note.parent / f"{release}_{_file_name(version)}"
            known.append(
                entries.ensure(
                    tree, lambda draft: _fill(release, version, draft, source), only=IMAGE
                )
            )
        return known[0]


def running(*, root: Path = Path("/"), source: Source | None = None) -> Kernel:
    """Return the kernel that runs on this machine, from its own files or else from its package."""
    uname = os.uname()
    places = (f"boot/vmlinuz-{uname.release}", f"lib/modules/{uname.release}/vmlinuz")
    if any((root / place).is_file() for place in places):
        done = proc.run(
            ["dpkg-query", "-W", "-f", "${Version}", f"linux-image-{uname.release}"], limit=20
        )
        package = done.out.strip() if done.ok else None
        kernel = kernel_in(root, uname.release, package=package or None, suite=None)
    else:
        kernel = fetch(uname.release, source=source)
    if kernel.version != uname.version:
        raise EnvironmentMissing(
            f'{kernel.image} is "{kernel.version}", but "{uname.version}" is running',
            hint="the package was upgraded after the last boot: boot the installed kernel first",
        )
    return kernel


def resolve(spec: str | None, patterns: Sequence[str], *, source: Source | None = None) -> Kernel:
    """Return the kernel for ``--kernel``; without it, the newest release that a pattern matches."""
    if spec == "running":
        return running(source=source)
    if spec is None:
        found = available(patterns, source=source)
        if not found:
            raise EnvironmentMissing(
                f"no kernel on offer matches {', '.join(patterns)}",
                hint=_near(patterns, _offered(source or Apt())),
            )
        return fetch(found[0], source=source)
    path = Path(spec)
    if path.is_file() and path.suffix == ".deb":
        return from_package(path)
    if "/" in spec or path.is_dir():
        if not path.is_dir():
            raise EnvironmentMissing(f"{spec}: no such directory")
        return from_tree(path)
    if "*" in spec:
        return resolve(None, [spec], source=source)
    return fetch(spec, source=source)


def _near(patterns: Sequence[str], offered: Collection[str]) -> str:
    """Return a text with the releases most similar to one of ``patterns``, its flavour first."""
    if not offered:
        return "see: lppack doctor"

    def likeness(release: str) -> int:
        return max(len(os.path.commonprefix([release, pattern])) for pattern in patterns)

    def is_flavour(release: str) -> bool:
        return any(release.split("-")[2:] == pattern.split("-")[2:] for pattern in patterns)

    best = max(map(likeness, offered))
    near = [release for release in offered if likeness(release) == best]
    near.sort(key=deb.version_key, reverse=True)
    near.sort(key=is_flavour, reverse=True)
    newest = {".".join(release.split(".")[:2]): release for release in reversed(near)}
    near = list(dict.fromkeys([*reversed(newest.values()), *near]))  # one of each series first
    more = f" and {len(near) - _SHOWN} more" if len(near) > _SHOWN else ""
    hint = f"there is: {', '.join(near[:_SHOWN])}{more}"
    if any("*" in pattern for pattern in patterns):
        hint += "; `*` stands for part of one field between two dashes: 6.1.0-*-amd64"
    return hint


def fetch_file(package: str, member: str, *, source: Source | None = None) -> Path:
    """Return the file ``member`` of the newest version of ``package``, unpacked in the cache."""
    source = source or Apt()
    place = store.cache_dir() / "packages"
    with _remembered(place / f"{package}.json", source) as known:
        if not known:
            version = source.candidate(package)
            tree = place / f"{package}_{_file_name(version or '')}"

            def fill(draft: Path) -> None:
                with store.scratch() as downloads:
                    deb.unpack(source.download(package, version, downloads), draft)

            known.append(entries.ensure(tree, fill))
    found: Path = known[0] / member.lstrip("/")
    if not found.is_file():
        raise EnvironmentMissing(f"package {package} has no file {member}")
    return found


_SHOWN = 4  # releases that a hint names


@contextlib.contextmanager
def _remembered(note: Path, source: Source, only: str = "") -> Iterator[list[Path]]:
    """Yield a list with the tree found last time, if the package lists have not changed since.

    Otherwise the list is empty, and the block must add the tree. Only one process runs the block.
    """
    with store.disk_errors(note), store.locked(entries.lock_of(note)):
        found = _recall(note, source, only)
        known = [found] if found else []
        remembered = bool(known)
        yield known
        if known and not remembered:
            text = {"lists": source.stamp, "tree": known[0].name}
            store.write_atomic(note, json.dumps(text).encode())


def _recall(note: Path, source: Source, only: str) -> Path | None:
    if source.fresh:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            text = json.loads(note.read_text())
            tree: Path = note.parent / text["tree"]
            if text["lists"] == source.stamp and entries.use(tree, only):
                return tree
    return None


def _offered(source: Source) -> set[str]:
    def releases(prefix: str) -> set[str]:
        # linux-image-amd64 and linux-headers-6.1.0-56-common are not kernels.
        names = (name.removeprefix(prefix) for name in source.package_names(prefix))
        return {
            name
            for name in names
            if _RELEASE.fullmatch(name) and not name.endswith(("-unsigned", "-dbg", "-common"))
        }

    # Metapackages (linux-image-6.12-amd64) have neither "-NN-" nor a third number.
    exact = re.compile(r"\d+\.\d+\.\d+.*")
    both = releases("linux-image-") & releases("linux-headers-")
    return {release for release in both if exact.fullmatch(release)}


def _no_such(release: str, source: Source) -> EnvironmentMissing:
    releases = set().union(*map(_offered, everywhere(source)))
    offered = sorted(releases, key=deb.version_key, reverse=True)
    near = difflib.get_close_matches(release, offered, n=6, cutoff=0.5) or offered[:6]
    near.sort(key=deb.version_key, reverse=True)
    return EnvironmentMissing(
        f"no kernel {release} with headers in the package sources",
        hint=f"there is: {', '.join(near)}" if near else "look at the sources in /etc/apt",
    )


def _fill(release: str, version: str, draft: Path, source: Source) -> None:
    suite = suite_of_version(version) or source.versions(f"linux-image-{release}").get(version, "")
    with store.scratch() as downloads:
        try:
            files = _download_all(release, version, downloads, source)
        except EnvironmentMissing:
            if source.age < 60:
                raise
            # The archive removes a version when the next one appears, so old lists name removed
            # packages.
            source.update(fresh=True)
            if source.candidate(f"linux-image-{release}") != version:
                raise
            files = _download_all(release, version, downloads, source)
        for file in files:
            deb.unpack(file, draft)
        own = BESIDE.get(suite, suite.partition("-")[0])
        write_note(draft, version, own or sources.codename())


#: Dependencies of a kernel's packages that belong to it (from 6.19 on, also of the image).
_PART = re.compile(r"(linux-(?:headers|kbuild|binary|base|modules)-\d\S*)(?: \((>=|=) (\S+)\))?")


def _download_all(release: str, version: str, into: Path, source: Source) -> list[Path]:
    wanted = {f"linux-image-{release}": version, f"linux-headers-{release}": version}
    for name in tuple(wanted):
        for text in source.depends(name, version):
            if match := _PART.match(text):
                exact = _choose(match[1], match[2], match[3], version, source)
                wanted.setdefault(match[1], exact)
    return [
        source.download(name, exact, into) if release in name else _shared(name, exact, source)
        for name, exact in wanted.items()
    ]


def _shared(name: str, version: str, source: Source) -> Path:
    """Return a package that several kernels share (headers-common, kbuild); it is fetched once."""

    def fetch(draft: Path) -> None:
        with store.scratch() as folder:
            shutil.copyfile(source.download(name, version, folder), draft)

    place = store.cache_dir() / "downloads" / f"{name}_{_file_name(version)}.deb"
    return entries.ensure_file(place, fetch)


def _choose(name: str, relation: str | None, bound: str | None, own: str, source: Source) -> str:
    if relation == "=" and bound:
        return bound
    offered = tuple(source.versions(name))
    if own in offered or not offered:
        return own  # not available: the download reports it
    enough = [
        version
        for version in offered
        if not bound or deb.version_key(version) >= deb.version_key(bound)
    ]
    return min(enough or offered, key=deb.version_key)


def _file_name(version: str) -> str:
    return version.replace(":", "%3a")  # as in Debian's file names
