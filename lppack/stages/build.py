# SPDX-License-Identifier: MIT
"""build: real kbuild, in a container or on the host; the same bytes from both."""

import contextlib
import hashlib
import json
import shlex
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from lppack import __version__, abi, entries, store
from lppack.builders.probes import environment, open_probes
from lppack.builders.protocol import Builder, Site, kbuild_argv
from lppack.distributions import open_distribution
from lppack.elf.dwarf import compiled_types
from lppack.errors import BuildFailed
from lppack.kernel.facts import open_facts
from lppack.model import Module, Plan, SourceTree
from lppack.rules.compiled import compiled_problems
from lppack.stages.build_errors import failure, kept_name
from lppack.stages.generate import write
from lppack.stages.test_sources import MODULE, PROGRAMS, TARGET, test_files

_LIMIT = 600.0  # seconds for one command
_ENGINE, _ENGINE_KO = f"{MODULE}/engine", f"{abi.ENGINE}.ko"
# Headers of Debian 13 contain the tool that adds BTF to modules; that BTF would have to match
# vmlinux.
_BTF = ("-R", ".BTF", "-R", ".BTF.base")
_STRIPPED = ".stripped"
#: Files of build_together() in the work directory of each module.
_COMMAND, _LOG, _DONE = "build.sh", "build.log", "done"


def build(tree: SourceTree, builder: Builder, *, ready: Path | None = None) -> Module:
    """Return the stripped module of ``tree``, with its test targets and programs.

    It comes from the cache if the same tree was built before.

    ``ready``: the folder in which build_together() has built it. Raise BuildFailed; its message
    shows the author's line and names the work directory, which is kept.
    """
    start = time.monotonic()
    plan = tree.plan
    kept = _kept(tree, builder)
    cached = True

    def make(draft: Path) -> None:
        nonlocal cached
        cached = False
        if ready is None or not _from_ready(draft, tree, builder, ready):
            _build_into(draft, tree, builder)

    entries.ensure(kept, make)
    programs = tuple(sorted((kept / PROGRAMS).iterdir()))
    return Module(
        plan=plan,
        ko=kept / f"{plan.module}.ko",
        engine=kept / f"{abi.ENGINE}.ko" if plan.by_engine else None,
        targets=tuple(kept / TARGET / f"{name}.ko" for name in plan.manifest.test.targets),
        programs=programs,
        provenance=tuple(json.loads((kept / "provenance.json").read_text()).items()),
        seconds=time.monotonic() - start,
        cached=cached,
        work=store.cache_dir() / "finished" / kept.name,
    )


def differences(module: Module, tree: SourceTree, builder: Builder) -> Iterator[tuple[str, bytes]]:
    """Build ``tree`` again without the cache, and yield each file whose bytes differ.

    Yields (path of the file below the cached build, its new bytes).
    """
    kept = store.cache_dir() / "modules" / module.work.name
    with store.scratch() as again:
        _build_into(again, tree, builder, fresh=True)
        for file in sorted(again.rglob("*")):
            name = str(file.relative_to(again))
            if not file.is_file() or name == "provenance.json":
                continue
            if not (kept / name).is_file() or (kept / name).read_bytes() != file.read_bytes():
                yield name, file.read_bytes()


def _kept(tree: SourceTree, builder: Builder) -> Path:
    """Return the cache path of a module; its key contains exactly what the bytes depend on."""
    plan, digest = tree.plan, hashlib.sha256()
    parts = [__version__, plan.kernel.release, plan.kernel.version]
    parts += [f"{key}={value}" for key, value in sorted(builder.identity(plan.kernel).items())]
    digest.update("\0".join(parts).encode())
    for name, text in tree.files:
        digest.update(f"\0{name}\0{text}".encode())
    for name, path in (*tree.copies, *test_files(plan)):
        digest.update(f"\0{name}\0".encode() + path.read_bytes())
    return store.cache_dir() / "modules" / digest.hexdigest()[:24]


def build_together(trees: Sequence[SourceTree], builder: Builder, work: Path, jobs: int) -> None:
    """Build the modules of one kernel in one run of the builder, for build().

    Each module is built below ``work``, in a folder with its number, with the bytes of build().

    A module that fails is skipped: build() builds it alone, and reports why it fails. A module that
    is in the cache is skipped as well.
    """
    kernel = trees[0].plan.kernel
    new = {
        str(number): tree
        for number, tree in enumerate(trees)
        if not entries.use(_kept(tree, builder))
    }
    if not new:
        return
    probes = open_probes(kernel, builder.identity(kernel))
    for own, tree in new.items():
        _write(tree, work / own)
        probes.write(work / own)
    with builder.open(work, kernel) as site:
        for own, tree in new.items():
            if tree.plan.by_engine:
                _make_engine(site, tree.plan, work / own, builder, below=own)
            argv = _module_argv(site, tree.plan, below=own, jobs=jobs)
            (work / own / _COMMAND).write_text(f"{shlex.join(argv)}\n")
        # --foreground: in the process group of this shell, which ends as a whole. After a timeout
        # the compilers of that module still run, so the remaining modules are skipped.
        at = f"{site.work}/$one"
        script = (
            f"for one in {' '.join(new)}; do timeout --foreground {_LIMIT:.0f} sh "
            f"{at}/{_COMMAND} > {at}/{_LOG} 2>&1 && touch {at}/{_DONE}; "
            "[ $? = 124 ] && exit; done"
        )
        site.run(["sh", "-c", script], limit=_LIMIT * len(new))
    for own in new:
        if (work / own / _DONE).is_file():
            probes.keep(work / own)


def _from_ready(draft: Path, tree: SourceTree, builder: Builder, work: Path) -> bool:
    """Copy the result of build_together() into the draft; return False if there is none, or it is
    wrong."""
    if not (work / _DONE).is_file():
        return False
    try:
        _check_module(tree.plan, work)
        if tree.plan.manifest.test.targets or tree.plan.manifest.test.programs:
            with builder.open(work, tree.plan.kernel) as site:
                _make_tests(site, tree.plan, work)
    except BuildFailed:
        return False
    _fill(draft, tree, builder, work)
    return True


def _build_into(draft: Path, tree: SourceTree, builder: Builder, *, fresh: bool = False) -> None:
    """Build ``tree``; ``fresh``: without the cache."""
    plan = tree.plan
    probes = None if fresh else open_probes(plan.kernel, builder.identity(plan.kernel))
    with _work_directory(plan) as work:
        _write(tree, work)
        if probes:
            probes.write(work)
        with builder.open(work, plan.kernel) as site:
            if plan.by_engine:
                if fresh:
                    _build_engine(site, plan, work, work / _ENGINE)
                else:
                    _make_engine(site, plan, work, builder)
            _run(site, plan, work, _module_argv(site, plan, probes=not fresh))
            if probes:
                probes.keep(work)
            _check_module(plan, work)
            _make_tests(site, plan, work)
        _fill(draft, tree, builder, work)


def _write(tree: SourceTree, work: Path) -> None:
    write(tree, work / MODULE)
    for name, path in test_files(tree.plan):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, work / name)
    (work / PROGRAMS).mkdir(exist_ok=True)


def _module_argv(
    site: Site, plan: Plan, *, below: str = "", jobs: int = 0, probes: bool = True
) -> list[str]:
    argv = _make_argv(site, plan, MODULE, f"{plan.module}.ko", below=below, jobs=jobs)
    return [*environment(f"{site.work}/{below}".rstrip("/"), argv)] if probes else argv


def _check_module(plan: Plan, work: Path) -> None:
    ko = work / MODULE / f"{plan.module}.ko"
    _hold_against_the_kernel(ko, plan)
    ko.with_suffix(_STRIPPED).replace(ko)


def _make_tests(site: Site, plan: Plan, work: Path) -> None:
    """Build the targets and programs of the patch's tests."""
    if plan.manifest.test.targets:
        _run(site, plan, work, _make_argv(site, plan, TARGET))
    for name in plan.manifest.test.programs:
        source = f"{site.work}/{PROGRAMS}/{name}"
        out = f"{site.work}/{PROGRAMS}/{Path(name).stem}.bin"
        _run(site, plan, work, _static(source, out, site.compiler))


def _fill(draft: Path, tree: SourceTree, builder: Builder, work: Path) -> None:
    """Copy the result from ``work``, and record its origin."""
    plan, spec = tree.plan, tree.plan.manifest.test
    provenance = {
        "kernel_package": plan.kernel.package or "-",
        **builder.identity(plan.kernel),
    }
    if plan.manifest.kernel_headers:
        folders = " ".join(plan.manifest.kernel_headers)
        package = open_distribution().sources.package_of(plan.kernel)
        provenance["kernel_headers"] = f"{package}: {folders}"
    (draft / TARGET).mkdir()
    (draft / PROGRAMS).mkdir()
    shutil.copyfile(work / MODULE / f"{plan.module}.ko", draft / f"{plan.module}.ko")
    if plan.by_engine:
        shutil.copyfile(work / _ENGINE / _ENGINE_KO, draft / _ENGINE_KO)
    for name in spec.targets:
        shutil.copyfile(_target(work, plan, name), draft / TARGET / f"{name}.ko")
    for name in spec.programs:
        stem = Path(name).stem
        shutil.copyfile(work / PROGRAMS / f"{stem}.bin", draft / PROGRAMS / stem)
    (draft / "provenance.json").write_text(json.dumps(provenance, sort_keys=True))


def _make_engine(site: Site, plan: Plan, work: Path, builder: Builder, *, below: str = "") -> None:
    """Put lppack_engine.ko and its checksums beside the sources.

    They are the same for all patches of a kernel, so they are built once.
    """
    folder = work / _ENGINE
    digest = hashlib.sha256(
        repr((plan.kernel, sorted(builder.identity(plan.kernel).items()))).encode()
    )
    for file in sorted(folder.iterdir()):
        digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    kept = store.cache_dir() / "engines" / digest.hexdigest()[:32]
    entries.ensure(kept, lambda draft: _build_engine(site, plan, work, draft, below=below))
    for name in (_ENGINE_KO, "Module.symvers"):
        shutil.copyfile(kept / name, folder / name)


def _build_engine(site: Site, plan: Plan, work: Path, into: Path, *, below: str = "") -> None:
    folder = work / _ENGINE
    _run(site, plan, work, _make_argv(site, plan, _ENGINE, _ENGINE_KO, below=below))
    (folder / _ENGINE_KO).with_suffix(_STRIPPED).replace(folder / _ENGINE_KO)
    for name in (_ENGINE_KO, "Module.symvers"):
        if into != folder:
            shutil.copyfile(folder / name, into / name)


def _target(work: Path, plan: Plan, name: str) -> Path:
    ko = work / TARGET / f"{name}.ko"
    if not ko.is_file():
        raise BuildFailed(
            f'{plan.manifest.folder}/target builds no "{name}.ko"',
            hint=f"add `obj-m := {name}.o` to target/Kbuild",
        )
    return ko


def _make_argv(
    site: Site, plan: Plan, part: str, ko: str = "", *, below: str = "", jobs: int = 0
) -> list[str]:
    """Return the command that builds the modules of one folder.

    It also writes a copy of ``ko`` without debug information.
    """
    argv = [*kbuild_argv(site, plan.kernel, part, below=below, jobs=jobs), "modules"]
    if not ko:
        return argv
    whole = "/".join(filter(None, (site.work, below, part, ko)))
    out = str(Path(whole).with_suffix(_STRIPPED))
    strip = shlex.join(["strip", "-g", *_BTF, "-o", out, whole])
    return ["sh", "-c", f"{shlex.join(argv)} && {strip}"]


def _hold_against_the_kernel(ko: Path, plan: Plan) -> None:
    """Check a newly built module with the rules of the built module.

    A module from the cache has passed this before: the kernel's version is part of its key.
    """
    with open_facts(plan.kernel) as facts:
        found = compiled_problems(compiled_types(ko.read_bytes()), plan, facts)
    if found:
        raise BuildFailed("\n".join(map(str, found)), file=found[0].file, line=found[0].line)


def _static(source: str, out: str, compiler: str) -> list[str]:
    return [compiler, "-static", "-O2", "-Wall", "-o", out, source]


def _run(site: Site, plan: Plan, work: Path, argv: Sequence[str]) -> None:
    done = site.run(argv, limit=_LIMIT)
    if not done.ok:
        raise failure(done.out, done.summary(), plan, work, site.work)


@contextlib.contextmanager
def _work_directory(plan: Plan) -> Iterator[Path]:
    """Yield a new directory; move it to ``failed`` if the build fails, or else remove it."""
    with store.temporary(f"{plan.name}-") as work:
        try:
            yield work
        except BuildFailed:
            kept = kept_name(plan)
            with store.locked(entries.lock_of(kept)):
                shutil.rmtree(kept, ignore_errors=True)
                work.rename(kept)
            raise


def build_program(source: Path, builder: Builder) -> Path:
    """Return a static user program, from the cache if the same source was built before."""
    digest = hashlib.sha256(source.read_bytes())
    digest.update(json.dumps(builder.identity(), sort_keys=True).encode())
    kept = store.cache_dir() / "programs" / f"{source.stem}-{digest.hexdigest()[:16]}"

    def make(draft: Path) -> None:
        with store.scratch() as work:
            shutil.copyfile(source, work / source.name)
            with builder.open(work, None) as site:
                out = f"{site.work}/{source.stem}"
                argv = _static(f"{site.work}/{source.name}", out, site.compiler)
                done = site.run(argv, limit=_LIMIT)
            if not done.ok:
                raise BuildFailed(done.summary())
            shutil.copyfile(work / source.stem, draft)
            draft.chmod(0o755)

    return entries.ensure_file(kept, make)
