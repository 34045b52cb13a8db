# SPDX-License-Identifier: MIT
"""The simulator's explorers against SPIN, which runs models written by hand from the same page."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lppack import doctor
from lppack.checker.counted import count
from lppack.checker.explorer import Population, explore
from lppack.checker.machine import Machine, Method
from lppack.checker.observe import Seen
from lppack.checker.semantics import Rules
from lppack.consistency import Leave, Switch, Transform
from lppack.doctor import Finding
from tests.kit.command import ROOT
from tests.unit.checker.mutations import mutated

pytestmark = pytest.mark.docker  # among the tests that install what they need

MODELS = ROOT / "benchmarks/models"
SWITCHES = {Switch.SWITCH_KERNEL: (), Switch.SWITCH_THREAD: ("-DST",)}
FAULTS = {
    "RACE": "count-after-lookup",
    "NOINIT": "counters-from-zero",
    "SKIP": "skip-the-check",
    "EARLY": "converts-early",
}


@pytest.fixture(scope="module", autouse=True)
def spin() -> None:
    """SPIN and a C compiler, as `lppack doctor --fix` would install them."""
    lacking = [
        Finding(name=name, ok=False, packages=packages, fix=f"install {name}")
        for name, packages in (("spin", ("spin",)), ("gcc", ("gcc", "libc6-dev")))
        if shutil.which(name) is None
    ]
    doctor.fix(lacking, lambda _line: None)


def verify(folder: Path, model: str, *defines: str) -> tuple[int, int]:
    """(states, errors) of a search without reductions."""

    def run(*argv: str) -> str:
        done = subprocess.run(
            argv, cwd=folder, capture_output=True, text=True, check=True, timeout=300
        )
        return done.stdout

    run("spin", "-a", *defines, str(MODELS / model))
    run("gcc", "-O1", "-w", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c")
    said = run("./pan", "-E", "-m1000000")
    states, errors = re.search(r"(\d+) states, stored", said), re.search(r"errors: (\d+)", said)
    assert states and errors, said
    return int(states[1]), int(errors[1])


def machine(switch: Switch, rules: Rules, functions: tuple[str, ...] = ("f",)) -> Machine:
    return Machine(
        rules=rules,
        leave=Leave.LEAVE_PATCHED_SET,
        switch=switch,
        method=Method.COUNT,
        functions=functions,
        depth=2,
        transform=Transform.TRANSFORM_ON_ACCESS,
        objects=1,
        watch_p=False,
        watch_kernel=False,
    )


def one_by_one(switch: Switch, threads: int, rules: Rules) -> tuple[int, bool]:
    """(states, whether an old function met the new form), threads told apart."""
    found = explore(machine(switch, rules), (0,) * threads, Population.ORDERED)
    assert found.whole
    return found.states, bool(found.seen & Seen.OLD_NEW)


def counted(switch: Switch, threads: int, rules: Rules) -> tuple[int, bool]:
    """The same, with how many threads are in each state."""
    found = count(machine(switch, rules), (0,) * threads)
    return found.states, bool(found.seen & Seen.OLD_NEW)


#: Each model with the explorer that keeps of threads what it keeps, and the states that it has
#: beside: the counted one begins with nobody there.
PAIRS = {"threads.pml": (one_by_one, 0), "counted.pml": (counted, 1)}


@pytest.mark.parametrize("threads", [2, 3, 4])
@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.name)
@pytest.mark.parametrize("model", PAIRS)
def test_the_same_states(model: str, switch: Switch, threads: int, tmp_path: Path) -> None:
    states, errors = verify(tmp_path, model, f"-DN={threads}", *SWITCHES[switch])
    ours, more = PAIRS[model]
    assert ours(switch, threads, Rules()) == (states - more, False)
    assert errors == 0


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.name)
def test_the_same_states_with_two_functions(switch: Switch, tmp_path: Path) -> None:
    states, errors = verify(tmp_path, "threads.pml", "-DTWO", "-DN=3", *SWITCHES[switch])
    found = explore(machine(switch, Rules(), ("f", "g")), (0,) * 3, Population.ORDERED)
    assert (found.states, errors) == (states, 0)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.name)
@pytest.mark.parametrize("model", PAIRS)
def test_the_same_verdict_on_faults(model: str, switch: Switch, fault: str, tmp_path: Path) -> None:
    _, errors = verify(tmp_path, model, "-DN=2", f"-D{fault}", *SWITCHES[switch])
    ours, _ = PAIRS[model]
    assert ours(switch, 2, mutated(FAULTS[fault]))[1] is bool(errors)
    # Who converts early meets nobody where the kernel flips at once, with nobody inside.
    assert bool(errors) is not (fault == "EARLY" and switch is Switch.SWITCH_KERNEL)
