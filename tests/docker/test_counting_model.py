# SPDX-License-Identifier: MIT
"""count.c of lppack's engine against lppack/checker/visits.py: every step of the model, from every
state that two threads reach, is made with both, and the word compared after each."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lppack.checker import visits
from lppack.checker.explorer import Population, Step, explore, successors
from lppack.checker.machine import NEW, Machine, State
from lppack.checker.semantics import Rules
from tests.docker.counted import compiled
from tests.unit.checker.engine_claims import counted, with_lost

pytestmark = pytest.mark.docker

#: By what a stop finds, and how far the count is below what is there.
WAYS = ((True, 0), (False, 0), (True, 1))


def machine(found: bool) -> Machine:
    return counted(Rules(), exits=True, oopses=True, found=found)


def schedules(m: Machine, first: State) -> Iterator[tuple[Step, ...]]:
    """Ways from ``first`` that make every step of every state."""
    reached = explore(m, first=first, population=Population.ORDERED)
    assert reached.whole
    ways: dict[State, tuple[Step, ...]] = {first: ()}
    for state, back in reached.parents.items():  # breadth first: the parent comes before
        if back is not None:
            ways[state] = (*ways[back[0]], back[1])
    for state, way in ways.items():
        steps = list(successors(m, state, Population.ORDERED))
        for step in steps:
            if reached.parents[step.state] != (state, step):  # else it is on the way to others
                yield (*way, step)
        if not steps:
            yield way


def commands(first: State, way: tuple[Step, ...], below: int) -> Iterator[tuple[str, str]]:
    """Yield (what the program is told, what it has to say) of one schedule."""
    names = list(range(len(first[1])))
    before = first
    told = f"afresh {below}\n"
    for step in way:
        thread = names[step.place] if step.place >= 0 else 0
        word = _word(before, step)
        if len(step.state[1]) < len(before[1]):
            del names[step.place]
        before = step.state
        if word:
            yield f"{told}{word} {NEW if step.rule == 'R6' else thread}\n", said(step.state)
            told = ""


def _word(before: State, step: Step) -> str:
    rule = step.rule.split()[0]
    if rule == "R7":
        waits = visits.word_of(before[0]).waits
        return "arm" if "armed" in step.text else "waited" if waits else "look"
    if rule == "R12":
        ends = "ends" in step.text
        return "off" if ends else "die" if "oops" in step.text else ""
    return {"R3": "call", "R4": "ret", "R6": "turn", "R9": "end", "R11": "turn"}.get(rule, "")


def said(state: State) -> str:
    kernel, threads = state
    word = visits.word_of(kernel)
    new = sum(frame.univ == NEW for t in threads for frame in t.stack)
    return f"{visits.visits(kernel, threads)} {kernel.sw[0]} {word.armed} {new} {word.waits}"


def differences(program: Path, found: bool, below: int) -> tuple[int, list[str]]:
    """How many steps were made, and the first of which the two say different things."""
    m = machine(found)
    first = with_lost(m, 2, -below)
    steps = [pair for way in schedules(m, first) for pair in commands(first, way, below)]
    done = subprocess.run(
        [program, str(int(found))],
        input="".join(told for told, _ in steps) + "afresh 0\n",  # out of a wait, if in one
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    lines = done.stdout.splitlines()
    wrong = [
        f"{told!r}: the model {wanted}, count.c {got}"
        for (told, wanted), got in zip(steps, lines, strict=False)
        if wanted != got
    ]
    assert wrong or len(lines) == len(steps)
    return len(steps), wrong[:1]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("schedules"), program="schedules")


@pytest.mark.parametrize(("found", "below"), WAYS)
def test_every_step_of_the_model_is_one_of_the_engine(
    program: Path, found: bool, below: int
) -> None:
    count, wrong = differences(program, found, below)
    assert wrong == []
    assert count > 10_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\tpatch->unseen = 0;\n", ""),
        ("~(LPE_ARMED | LPE_IN_NEW), lost", "LPE_VISITS, lost"),
        ("lpe_visits(atomic_long_read(word)) < patch->seen", "false"),
        ("\tif (!lpe_all_ready(patch) || !lost)", "\tif (!lost)"),
        ("\tWRITE_ONCE(patch->route, universe);\n", ""),
    ],
)
def test_an_engine_that_does_otherwise_is_seen(tmp_path: Path, old: str, new: str) -> None:
    spoilt = compiled(tmp_path, program="schedules", old=old, new=new)
    assert any(differences(spoilt, found, below)[1] for found, below in WAYS)
