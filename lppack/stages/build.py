# SPDX-License-Identifier: MIT
"""build: real kbuild, in a container or on the host; the same bytes from both."""

import contextlib
import errno
import hashlib
import json
import os
import re
import shlex
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from lppack import __version__, abi, entries, store
from lppack.builders.protocol import Builder, Site, kbuild_argv
from lppack.elf.dwarf import compiled_types
from lppack.errors import BuildFailed, EnvironmentMissing
from lppack.kernel.facts import Facts, open_facts
from lppack.model import Manifest, Module, Plan, SourceTree
from lppack.packages.linux_source import package_of
from lppack.rules.compiled import compiled_problems
from lppack.rules.elsewhere import homes
from lppack.rules.replaced import copies_of
from lppack.stages.generate import generate, write

_LIMIT = 600.0  # seconds for one command
_MODULE, _TARGET, _PROGRAMS = "module", "target", "programs"
_ENGINE, _ENGINE_KO = f"{_MODULE}/engine", f"{abi.ENGINE}.ko"
# Headers of Debian 13 hold what makes BTF of modules; ours would have to match the target's.
_BTF = ("-R", ".BTF", "-R", ".BTF.base")
_STRIPPED = ".stripped"
# gcc: FILE:LINE:COLUMN: error: TEXT
_UNDECLARED = re.compile(
    r"implicit declaration of function '(\w+)'|'(\w+)' undeclared|unknown type name '(\w+)'"
    r"|(?:undefined|incomplete) type '(?:const )?((?:struct|union) \w+)"
)
_ERROR = re.compile(r"^(?P<file>[^:\s]+):(?P<line>\d+)(?::\d+)?: (?:fatal )?error: (?P<text>.*)")


def build(tree: SourceTree, builder: Builder) -> Module:
    """Return the module of ``tree``, stripped, with its test targets and programs; from the cache
    if the same thing was built before.

    Raise BuildFailed, whose message shows the author's line and names the kept work directory.
    """
    start = time.monotonic()
    plan = tree.plan
    kept = store.cache_dir() / "modules" / _key(tree, builder)
    cached = True

    def make(draft: Path) -> None:
        nonlocal cached
        cached = False
        _build_into(draft, tree, builder)

    entries.ensure(kept, make)
    programs = tuple(sorted((kept / _PROGRAMS).iterdir()))
    return Module(
        plan=plan,
        ko=kept / f"{plan.module}.ko",
        engine=kept / f"{abi.ENGINE}.ko" if plan.by_engine else None,
        targets=tuple(kept / _TARGET / f"{name}.ko" for name in plan.manifest.test.targets),
        programs=programs,
        provenance=tuple(json.loads((kept / "provenance.json").read_text()).items()),
        seconds=time.monotonic() - start,
        cached=cached,
        work=store.cache_dir() / "finished" / kept.name,
    )


def _key(tree: SourceTree, builder: Builder) -> str:
    """Everything that the bytes depend on, and nothing else."""
    plan, digest = tree.plan, hashlib.sha256()
    parts = [__version__, plan.kernel.release, plan.kernel.version]
    parts += [f"{key}={value}" for key, value in sorted(builder.identity(plan.kernel).items())]
    digest.update("\0".join(parts).encode())
    for name, text in tree.files:
        digest.update(f"\0{name}\0{text}".encode())
    for name, path in (*tree.copies, *_test_files(plan)):
        digest.update(f"\0{name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:24]


def _test_files(plan: Plan) -> Iterator[tuple[str, Path]]:
    """Yield sources of the test targets and programs, by their path in the work directory."""
    folder, spec = plan.manifest.folder, plan.manifest.test
    if spec.targets:
        for path in sorted((folder / "target").rglob("*")):
            if path.is_file() and (path.suffix in (".c", ".h") or path.name == "Kbuild"):
                yield f"{_TARGET}/{path.relative_to(folder / 'target')}", path
    for name in spec.programs:
        yield f"{_PROGRAMS}/{name}", folder / name


def _build_into(draft: Path, tree: SourceTree, builder: Builder) -> None:
    plan, spec = tree.plan, tree.plan.manifest.test
    with _work_directory(plan) as work:
        write(tree, work / _MODULE)
        for name, path in _test_files(plan):
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, work / name)
        (work / _PROGRAMS).mkdir(exist_ok=True)
        with builder.open(work, plan.kernel) as site:
            if plan.by_engine:
                _make_engine(site, plan, work, builder)
            ko = work / _MODULE / f"{plan.module}.ko"
            _make(site, plan, work, _MODULE, ko.name)
            _hold_against_the_kernel(ko, plan)
            ko.with_suffix(_STRIPPED).replace(ko)
            if spec.targets:
                _make(site, plan, work, _TARGET)
            for name in spec.programs:
                source = f"{site.work}/{_PROGRAMS}/{name}"
                out = f"{site.work}/{_PROGRAMS}/{Path(name).stem}.bin"
                _run(site, plan, work, _static(source, out, site.compiler))
        provenance = {
            "kernel_package": plan.kernel.package or "-",
            **builder.identity(plan.kernel),
        }
        if plan.manifest.kernel_headers:
            folders = " ".join(plan.manifest.kernel_headers)
            provenance["kernel_headers"] = f"{package_of(plan.kernel)}: {folders}"
        (draft / _TARGET).mkdir()
        (draft / _PROGRAMS).mkdir()
        shutil.copyfile(work / _MODULE / f"{plan.module}.ko", draft / f"{plan.module}.ko")
        if plan.by_engine:
            shutil.copyfile(work / _ENGINE / _ENGINE_KO, draft / _ENGINE_KO)
        for name in spec.targets:
            shutil.copyfile(_target(work, plan, name), draft / _TARGET / f"{name}.ko")
        for name in spec.programs:
            stem = Path(name).stem
            shutil.copyfile(work / _PROGRAMS / f"{stem}.bin", draft / _PROGRAMS / stem)
        (draft / "provenance.json").write_text(json.dumps(provenance, sort_keys=True))


def _make_engine(site: Site, plan: Plan, work: Path, builder: Builder) -> None:
    """lppack_engine.ko and its checksums, beside the sources; the same for all patches of a kernel,
    so it is made once."""
    folder = work / _ENGINE
    digest = hashlib.sha256(
        repr((plan.kernel, sorted(builder.identity(plan.kernel).items()))).encode()
    )
    for file in sorted(folder.iterdir()):
        digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    kept = store.cache_dir() / "engines" / digest.hexdigest()[:32]

    def make(draft: Path) -> None:
        _make(site, plan, work, _ENGINE, _ENGINE_KO)
        (folder / _ENGINE_KO).with_suffix(_STRIPPED).replace(folder / _ENGINE_KO)
        for name in (_ENGINE_KO, "Module.symvers"):
            shutil.copyfile(folder / name, draft / name)

    entries.ensure(kept, make)
    for name in (_ENGINE_KO, "Module.symvers"):
        shutil.copyfile(kept / name, folder / name)


def _target(work: Path, plan: Plan, name: str) -> Path:
    ko = work / _TARGET / f"{name}.ko"
    if not ko.is_file():
        raise BuildFailed(
            f'{plan.manifest.folder}/target builds no "{name}.ko"',
            hint=f"write `obj-m := {name}.o` in target/Kbuild",
        )
    return ko


def _make(site: Site, plan: Plan, work: Path, part: str, ko: str = "") -> None:
    """Build the modules of one folder; beside ``ko``, a copy without debug information."""
    argv = [*kbuild_argv(site, plan.kernel, part), "modules"]
    if ko:
        whole = f"{site.work}/{part}/{ko}"
        out = str(Path(whole).with_suffix(_STRIPPED))
        strip = shlex.join(["strip", "-g", *_BTF, "-o", out, whole])
        argv = ["sh", "-c", f"{shlex.join(argv)} && {strip}"]
    _run(site, plan, work, argv)


def _hold_against_the_kernel(ko: Path, plan: Plan) -> None:
    """Check a module that is not from the cache: what is kept there has passed, as the exact
    version of the kernel is part of the key."""
    with open_facts(plan.kernel) as facts:
        found = compiled_problems(compiled_types(ko.read_bytes()), plan, facts)
    if found:
        raise BuildFailed("\n".join(map(str, found)), file=found[0].file, line=found[0].line)


def _static(source: str, out: str, compiler: str) -> list[str]:
    return [compiler, "-static", "-O2", "-Wall", "-o", out, source]


def _run(site: Site, plan: Plan, work: Path, argv: Sequence[str]) -> None:
    done = site.run(argv, limit=_LIMIT)
    if not done.ok:
        raise _failure(done.out, done.summary(), plan, work, site.work)


def _failure(
    out: str, summary: str, plan: Plan, work: Path, site_work: str
) -> BuildFailed | EnvironmentMissing:
    """Return the first error of the compiler, at the author's own line; else the end of the log."""
    if os.strerror(errno.ENOSPC) in out:
        # Its log and sources would not fit either.
        return EnvironmentMissing(f"{work}: {os.strerror(errno.ENOSPC)}", hint=store.ROOM)
    (work / "build.log").write_text(f"{out}\n{summary}\n")
    lines = out.splitlines()
    for index, line in enumerate(lines):
        found = _ERROR.match(line.strip())
        if not found:
            continue
        name = found["file"].removeprefix(f"{site_work}/")
        part, _, rest = name.partition("/")
        manifest = plan.manifest
        if part == _MODULE and rest in (*manifest.sources, *manifest.headers):
            file = str(manifest.folder / rest)
        elif part in (_TARGET, _PROGRAMS):
            file = str(manifest.folder / (name if part == _TARGET else rest))
        else:
            file = name
        if reason := _named_type(found["text"], part, manifest):
            return BuildFailed(f"{manifest.path}: {reason}", file=str(manifest.path))
        context = [shown.rstrip() for shown in lines[index + 1 : index + 3]]
        return BuildFailed(
            "\n".join([f"{file}:{found['line']}: {found['text']}", *context]),
            file=file,
            line=int(found["line"]),
            hint="; ".join(
                filter(
                    None,
                    (
                        _way_out(found["text"], plan),
                        f"build.log, and the sources as kbuild saw them, are in {_kept_name(plan)}",
                    ),
                )
            ),
            report={
                "compiler": True,
                "undeclared": sorted({"".join(names) for names in _UNDECLARED.findall(out)}),
            },
        )
    undefined = re.findall(r'modpost: "(\w+)" \[\S+\] undefined!', out)
    if undefined:
        return _undefined(undefined, plan)
    return BuildFailed(summary, hint=f"the whole log: {_kept_name(plan)}/build.log")


def _way_out(text: str, plan: Plan) -> str | None:
    """Return what the compiler's words mean for a patch; None: what they say."""
    if header := re.match(r"(\S+\.h): No such file or directory", text):
        folder = header[1].rpartition("/")[0] or "FOLDER"
        return (
            f"a private header of the kernel: kernel_headers: [{folder}]; one of yours: list it "
            "under `headers`"
        )
    called = re.match(r"implicit declaration of function '(\w+)'", text)
    declared = "\n".join(text for name, text in generate(plan).files if name == "lppack.h")
    if called and re.search(rf"\b{called[1]}\(", declared):
        return '#include "lppack.h" declares it'
    return None


def _named_type(text: str, part: str, manifest: Manifest) -> str | None:
    """Return what the manifest calls a type, and no header defines: told by generated code
    alone."""
    found = re.search(r"incomplete type '(?:const )?((?:struct|union) \w+)'", text)
    for shadow in manifest.shadow_variables if found and part == _MODULE else ():
        if found and shadow.type == found[1]:
            return (
                f"{shadow.type}, the type of the shadow variable {shadow.name}, is defined in "
                "none of the headers"
            )
    return None


def _not_linked(name: str, plan: Plan, facts: Facts) -> str:
    """Where the kernel has what may not be linked, or what was meant."""
    release = plan.kernel.release
    objects = [entry.name or "vmlinux" for entry in plan.patched]
    home = next((one for one in objects if copies_of(facts, one, name)), None)
    home = home or next(iter(homes(facts, objects[-1], name)), None)
    if home is not None:
        return f'"{name}" is used, and not exported by {release}: list it under `symbols` of {home}'
    similar = facts.similar(name)
    meant = f'; did you mean "{similar[0]}"?' if similar else "; no source defines it either"
    return f'"{name}" is used, and no object of {release} has it{meant}'


def _undefined(names: Sequence[str], plan: Plan) -> BuildFailed:
    """Return what modpost misses, in the author's words."""
    replacements = {fn.new for entry in plan.patched for fn in entry.functions}
    manifest = plan.manifest
    for transform in manifest.transforms:
        replacements |= {transform.marker, transform.take, transform.release}
        replacements |= {name for name in (transform.forward, transform.reverse) if name}
    for world in manifest.world:
        replacements |= {world.marker, world.for_each, world.forward, world.reverse}
        replacements |= {name for name in (world.prepare, world.check, world.finish) if name}
    replacements |= {var.constructor for var in manifest.shadow_variables if var.constructor}
    with open_facts(plan.kernel) as facts:
        lines = [
            f'no source defines "{name}", which the manifest names; is it misspelt, or static?'
            if name in replacements
            else _not_linked(name, plan, facts)
            for name in dict.fromkeys(names)
        ]
    return BuildFailed(
        "\n".join(f"{manifest.path}: {line}" for line in lines),
        file=str(manifest.path),
        hint=f"build.log, and the sources as kbuild saw them, are in {_kept_name(plan)}",
        report={"undefined": sorted({*names} - replacements)},
    )


def _kept_name(plan: Plan) -> Path:
    return store.cache_dir() / "failed" / f"{plan.name}-{plan.version}_{plan.kernel.release}"


@contextlib.contextmanager
def _work_directory(plan: Plan) -> Iterator[Path]:
    """Yield a fresh directory; kept under ``failed`` if the build fails, gone otherwise."""
    with store.temporary(f"{plan.name}-") as work:
        try:
            yield work
        except BuildFailed:
            kept = _kept_name(plan)
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
