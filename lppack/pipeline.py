# SPDX-License-Identifier: MIT
"""The order of the stages, known here alone."""

import contextlib
import functools
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lppack import resources, store
from lppack.builders.protocol import Builder
from lppack.consistency import EngineName, ModeName
from lppack.document import Document
from lppack.errors import (
    BuildFailed,
    ConsoleFault,
    EnvironmentMissing,
    LostHost,
    ManifestError,
    Problem,
)
from lppack.hosts.guest import GuestHost
from lppack.hosts.protocol import Host
from lppack.ids import Ids
from lppack.model import Bundle, Kernel, Manifest, Plan, SourceTree, Step
from lppack.stages.apply import Control
from lppack.stages.inspect import Inspection, inspect
from lppack.stages.sign import Signer, sign
from lppack.stages.status import PatchReport
from lppack.stages.test import StepResult

if TYPE_CHECKING:
    from lppack.simulator.runs import Run
    from lppack.stages.draft import Draft
    from lppack.stages.sample import Sampled
    from lppack.stages.simulate import Simulation

Say = Callable[[str], None]


def problems_of(
    path: Path, kernel: str | None, *, old: Path | None = None, deep: Say | None = None
) -> tuple[Problem, ...]:
    """load, validate, and with a kernel (or an older version) also what that says: all problems,
    not the first."""
    from lppack.stages.load import load
    from lppack.stages.validate import problems_of as validate_problems

    try:
        document = load(path)
        before = load(old) if old is not None else None
    except ManifestError as error:
        return error.problems
    found = list(validate_problems(document))
    if before is not None:
        from lppack.rules.history import history_problems

        found += history_problems(document, before, handed_over=_handed_over(document, before))
    if kernel is not None:
        from lppack.kernel.config import read_config
        from lppack.kernel.facts import open_facts
        from lppack.packages.kernels import resolve
        from lppack.rules.kernel import kernel_problems
        from lppack.rules.target import target_problems

        chosen = resolve(kernel, [text for _, text in document.strings("kernels")])
        found += target_problems(document, chosen, read_config(chosen.config))
        found += kernel_problems(document, open_facts(chosen, deep=deep))
    return tuple(sorted(found, key=lambda problem: problem.sort_key))


def _handed_over(document: Document, old: Document) -> bool:
    """Does the id file make another name the same series?"""
    from lppack.stages.ids import ids

    name, before = document.text("name"), old.text("name")
    if not name or not before:
        return False
    return ids(document.folder).series(name) == ids(old.folder).series(before)


def make_plan(
    path: Path,
    *,
    kernel: str | None = None,
    engine: str = "auto",
    mode: str | None = None,
    test_points: bool = False,
    deep: Say | None = None,
) -> Plan:
    """load, validate, plan; with ``deep`` the kernel's debug package is asked too, and told of."""
    from lppack.kernel.config import read_config
    from lppack.kernel.facts import open_facts
    from lppack.packages.kernels import resolve
    from lppack.stages.ids import ids
    from lppack.stages.load import load
    from lppack.stages.plan import plan
    from lppack.stages.validate import validate

    document = load(path)
    manifest = validate(document)
    reserved = ids(document.folder)
    chosen = resolve(kernel, manifest.kernels)
    return plan(
        document,
        manifest,
        chosen,
        open_facts(chosen, deep=deep),
        read_config(chosen.config),
        engine=engine,
        mode=mode,
        test_points=test_points,
        ids=reserved,
    )


def ids_of(path: Path) -> tuple[Ids, dict[str, int]]:
    """What is reserved for a patch, and every name that it has ids for."""
    from lppack.ids import names_of
    from lppack.rules.history import layouts_of
    from lppack.stages.ids import ids
    from lppack.stages.load import load
    from lppack.stages.validate import validate

    document = load(path)
    known = ids(document.folder)
    return known, names_of(validate(document), layouts_of(document), known)


def reserve_id(name: str, folder: Path) -> tuple[int, Path]:
    """A new name in the id file of a repository."""
    from lppack.stages.ids import reserve

    return reserve(name, folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    draft: "Draft"
    folder: Path
    built: bool
    why: str | None  # it was not built; None: it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """Two versions of the kernel's package, and what is taken from the later."""

    old: str
    new: str
    path: str
    functions: tuple[str, ...]


def make_draft(
    change: Path | Between,
    *,
    kernel: str,
    folder: Path | None,
    builder: str,
    say: Say,
    on_line: Say,
) -> Drafted:
    """draft; then the compiler is asked what other symbols it needs, and whether it builds."""
    from lppack.kernel.config import read_config
    from lppack.kernel.facts import open_facts
    from lppack.packages.kernels import resolve
    from lppack.packages.linux_source import package_at, package_of, source_file
    from lppack.stages.draft import between, draft, of_diff

    chosen = resolve(kernel, ())
    package, config = package_of(chosen), read_config(chosen.config)

    def reader(of: str) -> Callable[[str], bytes | None]:
        return functools.cache(lambda path: _source(of, path))

    def _source(of: str, path: str) -> bytes | None:
        say(f"reading {path} of {of}")
        return source_file(of, path)

    read = reader(package)
    if isinstance(change, Between):
        old, new = package_at(change.old), package_at(change.new)
        edit = between(change.path, change.functions, reader(old), reader(new), config)
    else:
        edit = of_diff(_text_of(change), read, config)
    with open_facts(chosen, deep=say) as facts:
        made = draft(
            edit,
            facts,
            config,
            read,
            package=package,
            name=_series(folder) if folder else None,
            folder=str(folder) if folder else None,
        )
        place = folder or Path(made.name)
        while True:
            for name, data in made.files:
                store.write_atomic(place / name, data)
            if made.unfinished:
                why: str | None = "it has lines that a person must fill in"
                break
            more, why = _missing(place, chosen.release, builder, on_line)
            if not set(more) - set(made.symbols):
                break
            made = made.with_symbols(sorted(set(more) - set(made.symbols)), facts)
    return Drafted(draft=made, folder=place, built=why is None, why=why)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape")
    except OSError as error:
        raise EnvironmentMissing(f"cannot read {path}: {error.strerror}") from error


def _series(folder: Path) -> str:
    import re

    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    return name if name[:1].isalpha() else f"fix-{name}"


def _missing(
    folder: Path, release: str, builder: str, on_line: Say
) -> tuple[tuple[str, ...], str | None]:
    """Symbols that the compiler does not find, and why it does not build; None: it does."""
    try:
        plan = make_plan(folder, kernel=release)
        with tempfile.TemporaryDirectory(prefix="lppack-") as out:
            make_bundle(plan, Path(out), builder=builder, on_line=on_line)
    except (BuildFailed, EnvironmentMissing, ManifestError) as error:
        return tuple((error.report or {}).get("undefined", ())), error.message
    return (), None


def _manifest(path: Path) -> Manifest:
    from lppack.stages.load import load
    from lppack.stages.validate import validate

    return validate(load(path))


def simulate_patch(path: Path, mode: str | None) -> "Simulation":
    """load, validate, simulate."""
    from lppack.stages.simulate import simulate

    return simulate(_manifest(path), ModeName(mode) if mode else None)


def compare_modes(path: Path) -> "tuple[tuple[Simulation, ...], ModeName | None]":
    """simulate in every mode, and the weakest that is safe."""
    from lppack.stages.simulate import compare, recommended

    manifest = _manifest(path)
    every = compare(manifest)
    return every, recommended(manifest, every)


def sample_patch(
    path: Path,
    modes: Sequence[str],
    *,
    stacks: Path | None,
    watched: float | None,
    histograms: Sequence[tuple[str, Path]],
    limit: float,
    seed: int,
) -> "tuple[Sampled, ...]":
    """load, validate, sample."""
    from lppack.stages.sample import sample

    return sample(
        _manifest(path),
        [ModeName(mode) for mode in modes],
        stacks=stacks,
        watched=watched,
        histograms=histograms,
        limit=limit,
        seed=seed,
    )


def replay_run(
    path: Path, mode: ModeName, flag: str, said: list[tuple[str, str]], threads: int
) -> "Run":
    """A run of the simulator, once more."""
    from lppack.stages.simulate import replay

    return replay(_manifest(path), mode, flag, said, threads)


def make_tree(plan: Plan) -> SourceTree:
    """generate."""
    from lppack.stages.generate import generate

    return generate(plan)


def write_tree(tree: SourceTree, folder: Path) -> None:
    from lppack.stages.generate import write

    write(tree, folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    bundle: Bundle
    cached: bool
    seconds: float

    @property
    def path(self) -> Path:
        return self.bundle.path


def check_release(plan: Plan, *, inlining_unchecked: bool) -> tuple[tuple[str, str], ...]:
    """release."""
    from lppack.stages.release import release

    return release(plan, inlining_unchecked=inlining_unchecked)


def make_bundle(
    plan: Plan,
    folder: Path,
    *,
    builder: str,
    on_line: Say,
    released: Sequence[tuple[str, str]] = (),
    signer: Signer | None = None,
) -> Built:
    """generate, build, link, sign if there is a signer, bundle."""
    from lppack.stages.build import build
    from lppack.stages.bundle import bundle, read
    from lppack.stages.generate import generate
    from lppack.stages.link import link

    tree = generate(plan)
    module = link(build(tree, open_builder(builder, on_line)))
    if signer is not None:
        module = sign(module, signer)
    path = bundle(module, tree, folder, released=released)
    return Built(bundle=read(path), cached=module.cached, seconds=module.seconds)


def inspect_file(path: Path, kernel: str | None) -> Inspection:
    """inspect; with a kernel also what that says."""
    from lppack.packages.kernels import resolve

    return inspect(path, resolve(kernel, ()) if kernel else None)


def open_builder(name: str, on_line: Say) -> Builder:
    """``docker`` or ``host``."""
    if name == "host":
        from lppack.builders.host import HostBuilder

        return HostBuilder(on_line)
    from lppack.builders.container import ContainerBuilder

    return ContainerBuilder(on_line)


def initramfs_for(kernel: Kernel, builder: str) -> Path:
    """The initramfs of lppack's guests, made once for a kernel and an agent."""
    from lppack.hosts import initramfs
    from lppack.packages.kernels import fetch_file
    from lppack.stages.build import build_program

    made_by = open_builder(builder, lambda _line: None)
    agent = build_program(resources.template_dir() / "guest/agent.c", made_by)
    busybox = fetch_file("busybox-static", "bin/busybox")
    key = hashlib.sha256(
        b"\0".join((agent.read_bytes(), busybox.read_bytes(), kernel.version.encode()))
        + Path(initramfs.__file__).read_bytes()
    ).hexdigest()[:16]
    out = store.cache_dir() / "initramfs" / f"{kernel.release}-{key}.cpio"
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        initramfs.make(kernel, agent, busybox, out)
    return out


def start_guest(
    name: str,
    *,
    kernel: str | None,
    builder: str,
    targets: Sequence[str] = (),
    words: Sequence[str] = (),
) -> None:
    """A guest that outlives this command, with the test targets of patches loaded."""
    from lppack.hosts import guests
    from lppack.packages.kernels import resolve

    chosen = resolve(kernel, ("6.1.0-*-amd64",))
    host = guests.start(name, chosen, initramfs_for(chosen, builder), cmdline=tuple(words))
    try:
        for target in targets:
            plan = make_plan(Path(target), kernel=kernel or chosen.release)
            with tempfile.TemporaryDirectory(prefix="lppack-") as folder:
                built = make_bundle(plan, Path(folder), builder=builder, on_line=lambda _line: None)
                _load_targets(host, built.bundle, Path(folder), chosen)
    except BaseException:
        guests.stop(name)
        raise


def _load_targets(host: Host, bundle: Bundle, folder: Path, kernel: Kernel) -> None:
    from lppack.stages.bundle import extract
    from lppack.stages.test import load_modules, load_targets

    extract(bundle.path, folder)
    load_modules(host, bundle, kernel)
    load_targets(host, bundle, folder)


@contextlib.contextmanager
def open_host(on: str) -> Iterator[Host]:
    """``local`` or ``guest:NAME``."""
    if on == "local":
        from lppack.hosts.local import LocalHost

        _need_root()
        yield LocalHost()
    elif on.startswith("guest:"):
        from lppack.hosts import guests

        host = guests.connect(on.removeprefix("guest:"))
        try:
            yield host
        finally:
            host.close()
    else:
        raise EnvironmentMissing(f'"{on}" is not a host', hint="local, guest:NAME, or simulated")


def _need_root() -> None:
    import os

    if os.geteuid() != 0:
        raise EnvironmentMissing(
            "only root can load a live patch on this machine",
            hint="run it as root, or try it in a guest: lppack guest start demo",
        )


@contextlib.contextmanager
def _control(on: str, *bundles: Bundle, timeout: float, say: Say) -> Iterator[Control]:
    """Drives the engine of a host; ``bundles`` are those that may be loaded."""
    if on == EngineName.SIMULATED:
        from lppack.engines import simulated as memory

        with memory.stored(memory.state_file()) as kernel:
            yield Control(
                engine=memory.Simulated(kernel, *bundles),
                host=memory.SimulatedHost(kernel),
                clock=memory.SimulatedClock(kernel),
                timeout=timeout,
                say=say,
            )
        return
    from lppack.engines.kernel import KernelEngines

    loads = bundles[0].engine if bundles else EngineName.LIVEPATCH

    with open_host(on) as host:
        yield Control(engine=KernelEngines(host, loads), host=host, timeout=timeout, say=say)


def apply_bundle(
    path: Path, on: str, *, convert: bool, timeout: float, dry_run: bool, say: Say
) -> PatchReport | None:
    """apply; None for a dry run, after all that can be refused early was looked at."""
    from lppack.stages.apply import apply, refuse_early
    from lppack.stages.bundle import extract, read

    bundle = read(path)
    with (
        tempfile.TemporaryDirectory(prefix="lppack-") as folder,
        _control(on, bundle, timeout=timeout, say=say) as control,
    ):
        if dry_run:
            refuse_early(control, bundle)
            return None
        extract(path, Path(folder))
        return apply(control, bundle, Path(folder) / f"{bundle.module}.ko", convert=convert)


def convert_series(series: str, on: str, *, say: Say) -> PatchReport:
    from lppack.stages.convert import convert

    with _control(on, timeout=60.0, say=say) as control:
        return convert(control, series)


def revert_series(series: str, on: str, *, timeout: float, say: Say) -> PatchReport:
    from lppack.stages.revert import revert

    with _control(on, timeout=timeout, say=say) as control:
        return revert(control, series)


def status_of(series: str | None, on: str) -> tuple[PatchReport, ...]:
    from lppack.stages.revert import find
    from lppack.stages.status import status

    with _control(on, timeout=60.0, say=lambda _line: None) as control:
        if series is not None:
            module = find(control, series).module
            every = status(control.engine, control.host.name)
            return tuple(patch for patch in every if patch.module == module)
        return status(control.engine, control.host.name)


class Trial:
    """One run of ``lppack test``: build if it is a patch, boot a private guest, go the steps."""

    def __init__(
        self,
        path: Path,
        *,
        kernel: str | None = None,
        engine: str = "auto",
        mode: str | None = None,
        builder: str = "docker",
        timeout: float = 60.0,
        test_points: bool = False,
    ) -> None:
        self.path = path
        self.kernel = kernel
        self.engine = engine
        self.mode = mode
        self.builder = builder
        self.timeout = timeout
        self.test_points = test_points
        self.bundle: Bundle | None = None
        self.console: Path | None = None
        self.steps_done: list[StepResult] = []

    @property
    def ok(self) -> bool:
        return len(self.steps_done) == len(Step) and all(step.ok for step in self.steps_done)

    @property
    def title(self) -> str:
        bundle = self.bundle
        name = f"{bundle.series} {bundle.version}" if bundle else str(self.path)
        return f"{name} on {bundle.release}" if bundle else name

    @property
    def compared(self) -> int:
        """How many checks were compared, over all steps."""
        return sum(len(step.checks) for step in self.steps_done)

    @property
    def failed_checks(self) -> str:
        checks = [check for step in self.steps_done for check in step.checks]
        return f"{sum(not check.ok for check in checks)} of {len(checks)}"

    def steps(self, say: Say) -> Iterator[StepResult]:
        """Yields each step when it is done. Raises whatever any stage raises."""
        from lppack.hosts.guest import boot
        from lppack.stages.bundle import extract
        from lppack.stages.test import load_modules

        with tempfile.TemporaryDirectory(prefix="lppack-") as folder:
            work = Path(folder)
            kernel = self._bundle(work, say)
            assert self.bundle is not None
            extract(self.bundle.path, work / "bundle")
            say(f"booting {kernel.release} in a private guest")
            initramfs = initramfs_for(kernel, self.builder)
            try:
                with boot(
                    kernel,
                    work=work / "g",
                    initramfs=initramfs,
                    cmdline=self.bundle.test.boot,
                ) as host:
                    try:
                        load_modules(host, self.bundle, kernel)
                        yield from self._run(host, work / "bundle", say)
                    except LostHost as error:
                        if found := host.faults():
                            raise ConsoleFault(
                                "the guest's kernel died of this:\n  " + "\n  ".join(found)
                            ) from error
                        raise
            except (ConsoleFault, LostHost) as error:
                self._keep_console(work / "g")
                error.hint = f"the whole console: {self.console}"
                raise
            finally:
                self._keep_console(work / "g")

    def _bundle(self, work: Path, say: Say) -> Kernel:
        from lppack.packages.kernels import resolve
        from lppack.stages.bundle import SUFFIX, read

        if self.path.suffix == SUFFIX:
            self.bundle = read(self.path)
            return resolve(self.kernel or self.bundle.release, ())
        plan = make_plan(
            self.path,
            kernel=self.kernel,
            engine=self.engine,
            mode=self.mode,
            test_points=self.test_points,
        )
        say(f"building {plan.name} {plan.version} for {plan.kernel.release}")
        built = make_bundle(
            plan, work, builder=self.builder, on_line=lambda line: say(f"  | {line}")
        )
        self.bundle = built.bundle
        return plan.kernel

    def _run(self, host: GuestHost, files: Path, say: Say) -> Iterator[StepResult]:
        from lppack.engines.kernel import KernelEngines
        from lppack.stages.test import test

        assert self.bundle is not None
        engine = KernelEngines(host, self.bundle.engine)
        control = Control(engine=engine, host=host, timeout=self.timeout, say=say)
        for step in test(control, host, self.bundle, files):
            self.steps_done.append(step)
            yield step

    def _keep_console(self, folder: Path) -> None:
        assert self.bundle is not None
        console = folder / "console.log"
        if console.exists():
            name = f"{self.bundle.series}-{self.bundle.version}_{self.bundle.release}.log"
            self.console = store.cache_dir() / "consoles" / name
            store.write_atomic(self.console, console.read_bytes())
