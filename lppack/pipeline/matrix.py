# SPDX-License-Identifier: MIT
"""Many patches for many kernels: every pair by itself, so that one that fails stops no other."""

import dataclasses
import functools
import hashlib
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lppack
from lppack import entries, resources, store
from lppack.errors import (
    AnswerIsNo,
    EnvironmentMissing,
    Level,
    LppackError,
    ManifestError,
    Problem,
)

if TYPE_CHECKING:
    from lppack.model import Bundle, Kernel, Plan


class State(StrEnum):
    """What became of a pair."""

    BUILT = "built"
    CACHED = "cached"
    OTHER_KERNEL = "not for this kernel"
    REFUSED = "refused"
    NOT_PROVED = "not proved"
    FAILED = "failed"


#: Exit codes from the worst to the best; what is not for a kernel is no failure.
_WORST = (1, 130, 4, 5, 3, 9, 0)
_OTHER_KERNEL = "kernel-is-named"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What holds for every pair of a run."""

    output: Path
    builder: str = "docker"
    engine: str = "auto"
    mode: str | None = None
    deep: bool = False
    prove: bool = False
    release: bool = False
    unproved: bool = False
    inlining_unchecked: bool = False
    accepted: tuple[str, ...] = ()
    sign_key: Path | None = None
    sign_cert: Path | None = None
    check: bool = False

    def recorded(self) -> dict[str, Any]:
        """Return what provenance.json keeps: how to build it again."""
        names = ("engine", "mode", "deep", "prove", "release", "unproved", "inlining_unchecked")
        return {name: getattr(self, name) for name in (*names, "accepted")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    patch: Path
    kernel: str | None  # as --kernel takes it; None: the newest that the manifest names


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one pair; goes from one process to another."""

    pair: Pair
    state: State
    kernel: str  # its release, or what was asked for
    code: int = 0
    seconds: float = 0.0
    bundle: "Bundle | None" = None
    complete: str = ""
    doubts: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()
    rules: tuple[str, ...] = ()  # that refused it
    message: str = ""
    hint: str | None = None
    log: Path | None = None
    said: tuple[str, ...] = field(default=(), repr=False)  # by the compiler, where it failed


def pairs_of(patches: Iterable[Path], kernels: Sequence[str]) -> tuple[Pair, ...]:
    """Return every patch with every kernel; a patch that is named twice is one."""
    each = dict.fromkeys(patches)
    return tuple(Pair(patch=p, kernel=k) for p in each for k in dict.fromkeys(kernels) or (None,))


def worst(outcomes: Sequence[Outcome]) -> int:
    """Return the exit code of a run; 3 if no pair was for its kernel."""
    if all(one.state is State.OTHER_KERNEL for one in outcomes):
        return ManifestError.exit_code
    codes = [one.code for one in outcomes if one.state is not State.OTHER_KERNEL]
    return min(codes, key=lambda code: _WORST.index(code) if code in _WORST else -1)


def build_pair(pair: Pair, options: Options, *, recorded: bool = True) -> Outcome:
    """Plan and build one pair; every refusal and failure is an outcome.

    ``recorded``: the whole bundle is kept for the next time, by where the patch is.
    """
    from lppack.pipeline.build import make_bundle
    from lppack.pipeline.check import check_release, make_plan
    from lppack.stages.sign import Signer

    start = time.monotonic()
    said: list[str] = []
    made: Plan | None = None
    key, cert = options.sign_key, options.sign_cert
    try:
        if recorded and (kept := recall(pair, options)):
            return kept
        made = make_plan(
            pair.patch,
            kernel=pair.kernel,
            engine=options.engine,
            mode=options.mode,
            deep=said.append if options.deep else None,
            prove=said.append if options.prove or options.release else None,
            builder=options.builder,
        )
        released = (
            check_release(
                made,
                unproved=options.unproved,
                inlining_unchecked=options.inlining_unchecked,
                accepted=options.accepted,
            )
            if options.release
            else ()
        )
        built = make_bundle(
            made,
            options.output,
            builder=options.builder,
            on_line=said.append,
            released=released,
            signer=Signer(key=key, certificate=cert) if key and cert else None,
            options=options.recorded(),
            check=options.check,
        )
    except LppackError as error:
        release = made.kernel.release if made else pair.kernel or "-"
        return _failure(pair, release, error, time.monotonic() - start, said)
    if recorded:
        _remember(pair, options, made, built.path)
    return Outcome(
        pair=pair,
        state=State.CACHED if built.cached else State.BUILT,
        kernel=made.kernel.release,
        seconds=time.monotonic() - start,
        bundle=built.bundle,
        complete=made.complete.value,
        doubts=made.doubts,
        warnings=made.warnings,
    )


def _failure(
    pair: Pair, kernel: str, error: LppackError, seconds: float, said: Sequence[str]
) -> Outcome:
    rules: tuple[str, ...] = ()
    message = error.message
    if isinstance(error, ManifestError):
        wrong = [problem for problem in error.problems if problem.level is Level.ERROR]
        rules = tuple(dict.fromkeys(problem.rule for problem in wrong))
        message = "\n".join(str(problem) for problem in error.problems)
    state = State.FAILED
    if isinstance(error, ManifestError):
        state = State.REFUSED
        for problem in error.problems:
            if problem.rule == _OTHER_KERNEL:
                state, message = State.OTHER_KERNEL, problem.message
    elif isinstance(error, AnswerIsNo):
        state = State.NOT_PROVED
    kept = re.search(rf"{re.escape(str(store.cache_dir() / 'failed'))}/[^\s/]+", error.hint or "")
    return Outcome(
        pair=pair,
        state=state,
        kernel=kernel,
        code=error.exit_code,
        seconds=seconds,
        rules=rules,
        message=message,
        hint=error.hint if "\n" not in message or not rules else None,
        log=Path(kept[0]) / "build.log" if kept else None,
        said=tuple(said) if state is State.FAILED else (),
    )


# ---- what was built before, by everything that its bytes depend on ----


def recall(pair: Pair, options: Options) -> Outcome | None:
    """Return the outcome of a pair that was built before, its bundle copied; None: it was not."""
    from lppack.stages.bundle import read

    start = time.monotonic()
    if not _is_kept(options):
        return None
    kernel = _kernel(pair)
    kept = _kept(pair, options, kernel)
    if kept is None or not entries.use(kept):
        return None
    note: Mapping[str, Any] | None = store.read_json(kept / "note.json")
    if note is None:
        return None
    path = options.output / str(note["name"])
    store.write_atomic(path, (kept / "bundle").read_bytes())
    return Outcome(
        pair=pair,
        state=State.CACHED,
        kernel=kernel.release,
        seconds=time.monotonic() - start,
        bundle=read(path),
        complete=note["complete"],
        doubts=tuple(note["doubts"]),
        warnings=tuple(Problem(**{**w, "level": Level(w["level"])}) for w in note["warnings"]),
    )


def _is_kept(options: Options) -> bool:
    """Proofs, debug packages, keys and --check are looked at again."""
    return not (
        options.deep or options.prove or options.release or options.sign_key or options.check
    )


def _remember(pair: Pair, options: Options, plan: "Plan", path: Path) -> None:
    kept = _kept(pair, options, plan.kernel) if _is_kept(options) else None
    if kept is None:
        return
    fields = ("file", "line", "column", "level", "rule", "message", "hint")
    note = {
        "name": path.name,
        "complete": plan.complete.value,
        "doubts": plan.doubts,
        "warnings": [{name: getattr(w, name) for name in fields} for w in plan.warnings],
    }

    def fill(draft: Path) -> None:
        (draft / "bundle").write_bytes(path.read_bytes())
        store.write_json(draft / "note.json", note)

    entries.ensure(kept, fill)


def _kernel(pair: Pair) -> "Kernel":
    from lppack.packages.kernels import resolve

    if pair.kernel is not None:
        return _resolved(pair.kernel)
    from lppack.stages.load import load

    return resolve(None, [text for _, text in load(pair.patch).strings("kernels")])


@functools.cache
def _resolved(spec: str) -> "Kernel":
    from lppack.packages.kernels import resolve

    return resolve(spec, ())


def _kept(pair: Pair, options: Options, kernel: "Kernel") -> Path | None:
    """Return where the bundle of a pair is kept; None: the folder is no patch."""
    from lppack.stages.ids import ids
    from lppack.stages.load import is_patch

    if not is_patch(pair.patch):
        return None
    parts = [code_digest(), options.engine, options.mode, str(pair.patch), ids(pair.patch), kernel]
    parts += [_identity(options.builder, kernel.suite, kernel), _image(kernel)]
    digest = hashlib.sha256(repr(parts).encode())
    for file in sorted(pair.patch.rglob("*")):
        if file.is_file():
            digest.update(f"\0{file.relative_to(pair.patch)}\0".encode() + file.read_bytes())
    return store.cache_dir() / "bundles" / digest.hexdigest()[:32]


@functools.cache
def code_digest() -> str:
    """Identify the code of lppack: a checkout changes without its version."""
    digest = hashlib.sha256(lppack.__version__.encode())
    home = Path(lppack.__file__).parent
    for file in (*sorted(home.rglob("*.py")), *sorted(resources.template_dir().rglob("*"))):
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


_identities: dict[tuple[str, str], str] = {}


def _identity(builder: str, suite: str, kernel: "Kernel") -> str:
    """Identify the compiler and its image, asked for once for each suite."""
    from lppack.pipeline.build import open_builder

    if (builder, suite) not in _identities:
        found = open_builder(builder, lambda _line: None).identity(kernel)
        _identities[builder, suite] = repr(sorted(found.items()))
    return _identities[builder, suite]


@functools.cache
def _image(kernel: "Kernel") -> str:
    """Identify the kernel's image, and whether its debug package was read."""
    from lppack.kernel.inlining import FORMAT

    key = hashlib.sha256(kernel.image.read_bytes()).hexdigest()
    inlining = store.cache_dir() / "facts" / f"{key}-inlining-v{FORMAT}.sqlite"
    return f"{key} {inlining.is_file()}"


# ---- a run ----

OnChange = Callable[[Pair, Outcome | None], None]


def build_all(
    pairs: Sequence[Pair],
    options: Options,
    *,
    jobs: int,
    on_change: OnChange,
    farm: str | None = None,
    sample: int = 1,
) -> list[Outcome]:
    """Build every pair, ``jobs`` at a time; ``on_change`` is called as each begins (None) and ends.

    On Ctrl-C the processes end as one command would: with no container left.
    ``farm``: the address of a scheduler whose workers build; ``sample`` pairs of theirs are built
    here as well, and compared.
    """
    if farm is not None:
        return _farmed(pairs, options, farm, on_change, sample)
    from lppack.pipeline.local import run

    found: dict[Pair, Outcome] = {}
    for pair in pairs:
        try:
            kept = recall(pair, options)
        except LppackError:
            continue  # said when it is planned
        if kept:
            found[pair] = kept
            on_change(pair, kept)
    left = [pair for pair in pairs if pair not in found]
    work = functools.partial(build_pair, options=options)
    for pair, outcome in run(work, left, jobs=jobs, on_start=lambda p: on_change(p, None)):
        if isinstance(outcome, BaseException):
            outcome = _lost(pair, outcome)
        found[pair] = outcome
        on_change(pair, outcome)
    return [found[pair] for pair in pairs]


def _farmed(
    pairs: Sequence[Pair], options: Options, farm: str, on_change: OnChange, sample: int
) -> list[Outcome]:
    from lppack.pipeline.farm import connect, run

    found: dict[Pair, Outcome] = {}
    with connect(farm) as client:
        for pair in pairs:
            on_change(pair, None)
        for pair, answer in run(client, pairs, options):
            outcome = _lost(pair, answer) if isinstance(answer, BaseException) else answer
            found[pair] = outcome
            on_change(pair, outcome)
    for pair in [pair for pair in pairs if found[pair].bundle][:sample]:
        found[pair] = _compared(found[pair], options)
    return [found[pair] for pair in pairs]


def _compared(there: Outcome, options: Options) -> Outcome:
    """Build a pair here, too. A farm whose bytes differ from these is not to be relied on."""
    assert there.bundle is not None
    with store.scratch() as folder:
        here = build_pair(there.pair, dataclasses.replace(options, output=folder))
        same = here.bundle and here.bundle.path.read_bytes() == there.bundle.path.read_bytes()
    if same:
        return there
    why = "has other bytes" if here.bundle else f"is no bundle ({here.message})"
    return dataclasses.replace(
        there,
        state=State.FAILED,
        code=AnswerIsNo.exit_code,
        bundle=None,
        message=f"{there.bundle.path} was built on the farm, and what is built here {why}",
        hint="was the debug package read in one place alone? give --deep; or compare the images "
        "and compilers: lppack inspect BUNDLE",
    )


def _lost(pair: Pair, error: BaseException) -> Outcome:
    """Return a failure for a pair whose process died, or ended with a bug."""
    return Outcome(
        pair=pair,
        state=State.FAILED,
        kernel=pair.kernel or "-",
        code=EnvironmentMissing.exit_code if isinstance(error, EnvironmentMissing) else 1,
        message=str(error) or type(error).__name__,
    )
