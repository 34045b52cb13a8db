# SPDX-License-Identifier: MIT
"""Build one patch for one kernel; the result is an outcome, also after a failure."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lppack import store
from lppack.errors import AnswerIsNo, Level, LppackError, ManifestError, refused_file
from lppack.pipeline.pairs import Options, Outcome, Pair, PairState
from lppack.pipeline.recall import recall, remember

if TYPE_CHECKING:
    from lppack.model import Kernel, Plan, SourceTree

_OTHER_KERNEL = "kernel-is-named"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A pair with generated sources; it is passed between processes."""

    pair: Pair
    tree: "SourceTree"
    released: Sequence[tuple[str, str]]
    seconds: float

    @property
    def kernel(self) -> "Kernel":
        return self.tree.plan.kernel


def build_pair(pair: Pair, options: Options, *, recorded: bool = True) -> Outcome:
    """Plan and build one pair; every refusal and failure is an outcome.

    ``recorded``: store the bundle in the cache for the next build.
    """
    try:
        if recorded and (kept := recall(pair, options)):
            return kept
    except (LppackError, OSError) as error:
        return _failure(pair, pair.kernel or "-", error, 0.0, ())
    planned = plan_pair(pair, options)
    if isinstance(planned, Outcome):
        return planned
    return finish_pair(planned, options, recorded=recorded)


def plan_pair(pair: Pair, options: Options) -> Planned | Outcome:
    """Plan one pair and generate its sources; every refusal is an outcome."""
    from lppack.pipeline.build import make_tree
    from lppack.pipeline.check import check_release, make_plan

    start = time.monotonic()
    said: list[str] = []
    made: Plan | None = None
    try:
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
        tree = make_tree(made)
    except (LppackError, OSError) as error:
        release = made.kernel.release if made else pair.kernel or "-"
        return _failure(pair, release, error, time.monotonic() - start, said)
    return Planned(pair=pair, tree=tree, released=released, seconds=time.monotonic() - start)


def finish_pair(
    planned: Planned, options: Options, *, ready: Path | None = None, recorded: bool = True
) -> Outcome:
    """Build and bundle a pair; ``ready``: folder in which it was built together with others."""
    from lppack.pipeline.build import make_bundle

    start = time.monotonic() - planned.seconds
    said: list[str] = []
    pair, made = planned.pair, planned.tree.plan
    try:
        built = make_bundle(
            made,
            options.output,
            builder=options.builder,
            on_line=said.append,
            released=planned.released,
            sign_key=options.sign_key,
            sign_cert=options.sign_cert,
            options=options.recorded(),
            check=options.check,
            tree=planned.tree,
            ready=ready,
        )
        if recorded:
            remember(pair, options, made, built.path)
    except (LppackError, OSError) as error:
        return _failure(pair, made.kernel.release, error, time.monotonic() - start, said)
    return Outcome(
        pair=pair,
        state=PairState.CACHED if built.cached else PairState.BUILT,
        kernel=made.kernel.release,
        seconds=time.monotonic() - start,
        bundle=built.bundle,
        complete=made.complete.value,
        doubts=made.doubts,
        warnings=made.warnings,
    )


def _failure(
    pair: Pair, kernel: str, error: LppackError | OSError, seconds: float, said: Sequence[str]
) -> Outcome:
    if isinstance(error, OSError):
        refused = refused_file(error, pair.patch)
        if refused is None:
            raise error
        error = refused
    rules: tuple[str, ...] = ()
    message = error.message
    if isinstance(error, ManifestError):
        wrong = [problem for problem in error.problems if problem.level is Level.ERROR]
        rules = tuple(dict.fromkeys(problem.rule for problem in wrong))
        message = "\n".join(str(problem) for problem in error.problems)
    state = PairState.FAILED
    if isinstance(error, ManifestError):
        state = PairState.REFUSED
        for problem in error.problems:
            if problem.rule == _OTHER_KERNEL:
                state, message = PairState.OTHER_KERNEL, problem.message
    elif isinstance(error, AnswerIsNo):
        state = PairState.NOT_PROVED
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
        said=tuple(said) if state is PairState.FAILED else (),
    )
