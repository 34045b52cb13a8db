# SPDX-License-Identifier: MIT
"""Many patches for many kernels: every pair by itself, so that one that fails stops no other."""

import dataclasses
import functools
import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lppack import store
from lppack.errors import (
    AnswerIsNo,
    EnvironmentMissing,
    Level,
    LppackError,
    ManifestError,
)
from lppack.pipeline.pairs import Options, Outcome, Pair, State
from lppack.pipeline.recall import recall, remember

if TYPE_CHECKING:
    from lppack.model import Plan


#: Exit codes from the worst to the best; what is not for a kernel is no failure.
_WORST = (1, 130, 4, 5, 3, 9, 0)
_OTHER_KERNEL = "kernel-is-named"


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
        remember(pair, options, made, built.path)
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
