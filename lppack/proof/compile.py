# SPDX-License-Identifier: MIT
"""Compile C files of a kernel as that kernel's build did, before and after a change."""

import hashlib
import os
import posixpath
import re
import shlex
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lppack import store
from lppack.builders.protocol import Site
from lppack.csource.paths import check_path
from lppack.errors import BuildFailed
from lppack.proof.kbuild import Unit

_LIMIT = 3600.0  # seconds for all of them
#: Each function and variable in a section of its own, so that each reference is a relocation.
_APART = ("-ffunction-sections", "-fdata-sections")
#: A preprocessor line, perhaps continued, with a path that leads to a folder above.
_CLIMBS = re.compile(rb"^[ \t]*#(?:\\\n|[^\n])*\.\./", re.M)
_AFTER = "after"  # folder in the work directory: the tree with the change


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """One unit: its object file, or what the compiler said."""

    unit: Unit
    object: bytes | None  # None: it does not compile
    log: str
    files: tuple[str, ...]  # of the kernel's tree that it was compiled from, also headers
    tree: str  # the folder that the compiler took them from
    #: (file, folder whose parent it was found through, by "..") of files that were read that way
    climbs: frozenset[tuple[str, str]] = frozenset()


class Compiler:
    """Compile units in ``site``, whose work directory is ``work`` on this machine."""

    def __init__(self, site: Site, work: Path, tree: Path, cache: Path) -> None:
        self._site = site
        self._work = work
        self._tree = tree
        self._cache = cache

    def before(self, units: Sequence[Unit]) -> dict[Unit, Compiled]:
        """Compile the unchanged sources, or take the objects from this kernel's cache."""
        kept = {unit: one for unit in units if (one := self._recall(unit)) is not None}
        made = self._compile([unit for unit in units if unit not in kept], "before")
        for unit, one in made.items():
            self._keep(unit, one)
        return {**kept, **made}

    def after(
        self, units: Sequence[Unit], files: Mapping[str, bytes | None], near: Iterable[str]
    ) -> dict[Unit, Compiled]:
        """Compile with ``files`` in place of those of the tree (None: the file is removed).

        ``near``: the files that the units were compiled from before the change.
        """
        near = tuple(near)
        real = {folder for unit in units for flag in unit.flags for folder in _left(flag)}
        while True:
            known = self._change(files, near, real)
            made = self._compile(units, _AFTER)
            # A macro may also compose an include: include/trace/define_trace.h (v6.1).
            climbs = {climb for one in made.values() for climb in one.climbs}
            missed = {folder for path, folder in climbs if path in files} - known
            if not missed:
                return made
            real |= missed
            for folder in (_AFTER, _objects(_AFTER)):
                shutil.rmtree(self._work / folder)

    def _compile(self, units: Sequence[Unit], which: str) -> dict[Unit, Compiled]:
        if not units:
            return {}
        out = self._work / _objects(which)
        out.mkdir(exist_ok=True)
        site = self._site
        sources = site.sources if which != _AFTER else f"{site.work}/{_AFTER}"
        rules = [f"all: {' '.join(map(str, range(len(units))))}", ".PHONY: all"]
        for number, unit in enumerate(units):
            stem = f"{site.work}/{out.name}/{number}"
            flags = [flag.replace("{sources}", sources) for flag in unit.flags]
            words = [site.compiler, *flags, *_APART, f"-Wp,-MD,{stem}.d", "-c", "-o", f"{stem}.o"]
            words.append(f"{sources}/{unit.path}")
            command = " ".join(map(shlex.quote, words)).replace("$", "$$")
            rules += [f".PHONY: {number}", f"{number}:", f"\t@{command} >{stem}.log 2>&1 || :"]
        makefile = self._work / f"{which}.mk"
        makefile.write_text("\n".join(rules) + "\n")
        _open_for_all(out)
        jobs = os.cpu_count() or 1
        argv = ["make", "-s", f"-j{jobs}", "-C", site.kernel, "-f", f"{site.work}/{makefile.name}"]
        done = site.run(argv, limit=_LIMIT)
        if not done.ok:
            raise BuildFailed(f"the files cannot be compiled\n{done.summary()}")
        return {unit: self._found(unit, out / str(at), sources) for at, unit in enumerate(units)}

    def _found(self, unit: Unit, stem: Path, sources: str) -> Compiled:
        made, log, said = (stem.with_suffix(f".{end}") for end in ("o", "log", "d"))
        names = said.read_text(errors="replace").replace("\\\n", " ") if said.is_file() else ""
        prefix = f"{sources}/"
        read = {name: posixpath.normpath(name) for name in names.partition(":")[2].split()}
        found = {
            n: path.removeprefix(prefix) for n, path in read.items() if path.startswith(prefix)
        }
        return Compiled(
            unit=unit,
            object=made.read_bytes() if made.is_file() else None,
            log=log.read_text(errors="replace") if log.is_file() else "",
            files=tuple(sorted({*found.values()})),
            tree=sources,
            climbs=frozenset(
                (path, folder)
                for name, path in found.items()
                for folder in _left(name.replace(prefix, "{sources}/", 1))
            ),
        )

    def _place(self, unit: Unit) -> Path:
        parts = [self._site.compiler, *_APART, unit.path, *unit.flags]
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
        return self._cache / key[:2] / key

    def _recall(self, unit: Unit) -> Compiled | None:
        """Return what was compiled for this kernel before; None if absent or damaged."""
        try:
            data = self._place(unit).with_suffix(".o").read_bytes()
        except OSError:
            return None
        said = store.read_json(self._place(unit).with_suffix(".json"))
        if said is None or hashlib.sha256(data).hexdigest() != said["object"]:
            return None
        files, tree = tuple(said["files"]), self._site.sources
        return Compiled(unit=unit, object=data, log=said["log"], files=files, tree=tree)

    def _keep(self, unit: Unit, made: Compiled) -> None:
        if made.object is None:
            return
        said = {
            "object": hashlib.sha256(made.object).hexdigest(),
            "log": made.log[:4000],
            "files": made.files,
        }
        store.write_atomic(self._place(unit).with_suffix(".o"), made.object)
        store.write_json(self._place(unit).with_suffix(".json"), said)

    def _change(
        self, files: Mapping[str, bytes | None], near: Collection[str], real: Collection[str]
    ) -> set[str]:
        """Create the changed tree, and return its real folders. It has links to the unchanged one,
        and real folders where a file differs, or where "../" must lead into the changed tree:
        ``real``, and where a file includes it."""
        top = self._work / _AFTER
        for path in (*files, *near):
            check_path(path, "the change")
        real = {*real, *(posixpath.dirname(path) for path in files)}
        real |= {posixpath.dirname(path) for path in near if self._climbs(path)}
        every = {above for folder in real for above in _folders(folder)}
        for folder in sorted({"", *every}):
            _inside(top, folder, is_folder=True).mkdir(parents=True, exist_ok=True)
            base = self._tree / folder
            for entry in base.iterdir() if base.is_dir() else ():
                path = f"{folder}/{entry.name}".lstrip("/")
                if path not in files and path not in every:
                    (top / path).symlink_to(f"{self._site.sources}/{path}")
        for path, data in files.items():
            if data is not None:
                _inside(top, path).write_bytes(data)
        return every

    def _climbs(self, path: str) -> bool:
        try:
            text = (self._tree / path).read_bytes()
        except OSError:
            return False
        return b"../" in text and _CLIMBS.search(text) is not None


def _objects(which: str) -> str:
    return f"{which}-objects"


def _left(name: str) -> list[str]:
    """Return the folder in front of each ".." of a path, or of a flag that contains a path."""
    parts = name.partition("{sources}/")[2].split("/")
    above = ("/".join(parts[:at]) for at, part in enumerate(parts) if part == "..")
    folders = (posixpath.normpath(folder) for folder in above if folder)
    return [folder for folder in folders if not folder.startswith("..") and folder != "."]


def _folders(folder: str) -> list[str]:
    parts = folder.split("/") if folder else []
    return ["/".join(parts[: at + 1]) for at in range(len(parts))]


def _inside(top: Path, path: str, *, is_folder: bool = False) -> Path:
    """Return where ``path`` is to be written: below ``top``, which no link may leave."""
    place = top / path
    if not place.resolve().is_relative_to(top.resolve()):
        raise BuildFailed(f"{path} of the change leads out of {top}, where it is compiled")
    if place.is_dir() and not is_folder:
        raise BuildFailed(f"{path} is a file of the change, and a folder as well")
    return place


def _open_for_all(folder: Path) -> None:
    """Let another user than that of this process write there: that of the container."""
    folder.chmod(0o777)


def failure(made: Compiled) -> str:
    """Return the compiler's first error in one line; "" if there is none."""
    found = re.search(r"^(\S+?:\d+(?::\d+)?: (?:fatal )?error: .*)$", made.log, re.MULTILINE)
    text = found[1] if found else made.log.strip().partition("\n")[0]
    return text.replace("/usr/src/linux-source/", "")


def sources_of(made: Iterable[Compiled]) -> Collection[str]:
    """Return every file of the kernel's tree that these objects were compiled from."""
    return {path for one in made for path in one.files}
