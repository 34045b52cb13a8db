# SPDX-License-Identifier: MIT
"""Build pairs on this machine, with the modules of one kernel in one run of the builder.

Each pair is planned first, and checked and bundled afterwards.
"""

import functools
import importlib
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lppack.errors import LppackError
from lppack.pipeline.local import run as run_tasks
from lppack.pipeline.one_pair import Planned, finish_pair, plan_pair
from lppack.pipeline.pairs import Options, Outcome, Pair

if TYPE_CHECKING:
    from lppack.model import Kernel

#: Maximum number of pairs in one run of the builder, for progress, and to lose little in a failure.
_TOGETHER_MAX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Together:
    """Some pairs of one kernel, and the folder in which their modules are built."""

    pairs: tuple[Planned, ...]
    work: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finish:
    planned: Planned
    ready: Path | None


_Task = Pair | _Together | _Finish


def run(
    pairs: Sequence[Pair],
    options: Options,
    work: Path,
    *,
    jobs: int,
    on_start: Callable[[Pair], None],
) -> Iterator[tuple[Pair, Outcome | BaseException]]:
    """Yield each pair with its outcome as it ends; modules are built below ``work``."""
    _import_all()
    tasks: deque[_Task] = deque(pairs)
    schedule = _Schedule(pairs, work, jobs)

    def begun(task: _Task) -> None:
        if isinstance(task, Pair):
            on_start(task)

    do = functools.partial(_do, options=options, jobs=jobs)
    for task, result in run_tasks(do, tasks, jobs=jobs, on_start=begun):
        if isinstance(task, _Together):
            # Also if its process was lost: each pair is then built alone.
            share = result / len(task.pairs) if isinstance(result, float) else 0.0
            finishes = [
                _Finish(
                    planned=replace(one, seconds=one.seconds + share),
                    ready=task.work / str(number),
                )
                for number, one in enumerate(task.pairs)
            ]
            tasks.extendleft(reversed(finishes))
            continue
        if isinstance(task, _Finish):
            assert not isinstance(result, Planned | float)
            yield task.planned.pair, result
            continue
        assert not isinstance(result, float)
        # Prefer building to planning.
        tasks.extendleft(schedule.planned(task, result if isinstance(result, Planned) else None))
        if not isinstance(result, Planned):
            yield task, result


def together_at_most(count: int, jobs: int) -> int:
    """Return how many of ``count`` pairs of one kernel to build in one run, with ``jobs`` runs at a
    time."""
    return min(math.ceil(count / jobs), _TOGETHER_MAX)


class _Schedule:
    """Decides which pairs are built together: those of one kernel, in as many runs as there are
    jobs."""

    def __init__(self, pairs: Sequence[Pair], work: Path, jobs: int) -> None:
        self._open = Counter(pair.kernel for pair in pairs)
        self._sizes = {
            kernel: together_at_most(count, jobs) for kernel, count in self._open.items()
        }
        self._waiting: dict[Kernel, list[Planned]] = {}
        self._work = work
        self._runs = 0

    def planned(self, pair: Pair, found: Planned | None) -> list[_Task]:
        """Return the tasks that can start now; ``found``: None if the pair will not be built."""
        self._open[pair.kernel] -= 1
        ready: list[_Task] = []
        if found:
            waiting = self._waiting.setdefault(found.kernel, [])
            waiting.append(found)
            if len(waiting) >= self._sizes[pair.kernel]:
                ready.append(self._task(found.kernel))
        if not self._open[pair.kernel]:
            # Two names may refer to one kernel: then waiting pairs are built with this one.
            last = [k for k, all_ in self._waiting.items() if all_[0].pair.kernel == pair.kernel]
            ready += map(self._task, last)
        return ready

    def _task(self, kernel: "Kernel") -> _Task:
        pairs = self._waiting.pop(kernel)
        if len(pairs) == 1:
            return _Finish(planned=pairs[0], ready=None)
        self._runs += 1
        return _Together(pairs=tuple(pairs), work=self._work / str(self._runs))


def _do(task: _Task, *, options: Options, jobs: int) -> Planned | Outcome | float:
    """Do one task; for several pairs built together, return the seconds that it took."""
    if isinstance(task, Pair):
        return plan_pair(task, options)
    if isinstance(task, _Finish):
        return finish_pair(task.planned, options, ready=task.ready)
    start = time.monotonic()
    build_planned(task.pairs, options.builder, task.work, jobs)
    return time.monotonic() - start


def build_planned(pairs: Sequence[Planned], builder: str, work: Path, jobs: int) -> None:
    """Build the modules of some pairs of one kernel, each below ``work`` in a folder of its number,
    for finish_pair()."""
    from lppack.pipeline.build import build_modules

    try:
        build_modules([one.tree for one in pairs], builder, work, jobs)
    except (LppackError, OSError):
        return  # each is then built alone, and has its own outcome


#: What every process needs.
_MODULES = (
    *("lppack.pipeline.check", "lppack.pipeline.build", "lppack.rules.kernel"),
    *("lppack.stages.plan", "lppack.stages.build", "lppack.stages.link", "lppack.stages.bundle"),
)


def _import_all() -> None:
    """Import these modules, and compile the templates, before the first process is forked."""
    from lppack import resources

    for name in _MODULES:
        importlib.import_module(name)
    resources.compile_templates("module")
