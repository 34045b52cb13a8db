# SPDX-License-Identifier: MIT
"""Three loads in a guest, watched as an operator would: the stacks and the lengths of visits that
the kernel shows give a prediction, which is held against transitions of the kernel's own engine.

The guest's time is virtual: it counts instructions, and skips what it would sleep (-icount). A busy
machine changes nothing of what is measured.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lppack import pipeline
from lppack.consistency import ModeName, mode_named
from lppack.forecast.predict import Interval, Prediction, predict
from lppack.forecast.watch import read_watch
from lppack.hosts.guest import GuestHost, boot
from lppack.model import Bundle, Kernel, Visits, Workload
from lppack.stages.bundle import extract
from lppack.stages.test import load_targets

pytestmark = pytest.mark.guest

PATCH = Path(__file__).parents[1] / "guest/patches/visits"
LOOKS, EVERY = 300, 0.35  # seconds between two looks at the stacks
ROUNDS = 12  # each a patch and an unpatch


@dataclass(frozen=True)
class Yard:
    """A guest of its own with the target's files: how long it sleeps is not counted."""

    host: GuestHost
    bundle: Bundle
    files: Path

    def sh(self, command: str, limit: float = 30.0) -> str:
        ran = self.host.run(["/bin/sh", "-c", command], limit=limit)
        assert ran.rc == 0, ran
        return ran.out


@pytest.fixture(scope="module")
def yard(
    kernel: Kernel, initramfs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Yard]:
    folder = tmp_path_factory.mktemp("visits")
    plan = pipeline.make_plan(PATCH, kernel=kernel.release)
    made = pipeline.make_bundle(plan, folder, builder="docker", on_line=lambda _line: None)
    extract(made.path, folder / "b")
    with boot(kernel, work=folder / "g", initramfs=initramfs, skips=True) as host:
        load_targets(host, made.bundle, folder / "b")
        host.put(folder / "b" / f"{made.bundle.module}.ko", "/test/patch.ko")
        host.run(["rmmod", "visits"], limit=20.0)
        yield Yard(host, made.bundle, folder / "b")
        assert host.faults() == ()


_FRAME = re.compile(r"/proc/(\d+)/stack:\[<0>\] ([^+]+)\+")


def folded(tids: dict[str, str], looks: str) -> str:
    """Of what /proc/TID/stack has shown at each look; a thread without a stack is in user mode."""
    lines: Counter[str] = Counter()
    for look in looks.split("--\n")[:-1]:
        frames: dict[str, list[str]] = defaultdict(list)
        for tid, function in _FRAME.findall(look):
            frames[tid].insert(0, function)
        for tid, comm in tids.items():
            lines[";".join([f"{comm}-{tid}", *(frames[tid] or ["user"])])] += 1
    return "".join(f"{stack} {count}\n" for stack, count in lines.items())


def watched(yard: Yard, tids: dict[str, str], folder: Path) -> Prediction:
    """Looks at the threads for LOOKS * EVERY seconds, and predicts."""
    files = " ".join(f"/proc/{tid}/stack" for tid in tids)
    out = yard.sh(
        "cut -d' ' -f1 /proc/uptime; echo reset > /proc/visits; i=0; "
        f"while [ $i -lt {LOOKS} ]; do grep -H . {files}; echo --; sleep {EVERY}; "
        "i=$((i+1)); done; "
        "cat /proc/visits; cut -d' ' -f1 /proc/uptime",
        limit=600.0,
    )
    start, rest = out.split("\n", 1)
    looks, _, tail = rest.rpartition("--\n")
    table, end = tail.rsplit("\n", 2)[0], tail.split("\n")[-2]
    (folder / "v.folded").write_text(folded(tids, looks + "--\n"))
    (folder / "v.hist").write_text(table)
    workload = Workload(
        stacks=folder / "v.folded",
        watched=float(end) - float(start),
        visits=(Visits(function="visits_wait", histogram=folder / "v.hist"),),
    )
    names = ("visits_wait",)
    return predict(
        read_watch(workload, names), names, mode_named(ModeName.HYBRID), limit=60.0, seed=1
    )


def measured(yard: Yard, tids: dict[str, str]) -> list[float]:
    """Seconds until the kernel has switched all of these threads, time and again."""
    words = f"/test/visitor apply /test/patch.ko {yard.bundle.module} {ROUNDS} {' '.join(tids)}"
    return [int(word) / 1e6 for word in yard.sh(words, limit=900.0).split()]


@pytest.mark.parametrize(
    ("kind", "threads", "module"),
    [
        ("fixed", 4, ""),
        ("tail", 6, ""),
        ("visitor_k", 2, "kthreads=2 low=800000 high=3200000 gap=1500000"),
    ],
)
def test_transitions_take_as_long_as_predicted(
    yard: Yard, tmp_path: Path, kind: str, threads: int, module: str
) -> None:
    yard.sh(f"insmod /test/visits.ko {module}")
    try:
        if module:
            found = yard.sh("grep -l visitor_k /proc/[0-9]*/comm").split()
            tids = {path.split("/")[2]: kind for path in found}
        else:
            tids = dict.fromkeys(yard.sh(f"/test/visitor start {kind} {threads}").split(), kind)
        assert len(tids) == threads
        predicted = watched(yard, tids, tmp_path)
        times = measured(yard, tids)
    finally:
        yard.sh("kill -9 $(pidof visitor) 2> /dev/null; sleep 9; rmmod visits", limit=60.0)
    told = f"{predicted.times} {sorted(times)} {predicted.blockers}"
    quantiles = dict(predicted.times)
    assert predicted.verdict == "finishes", told
    assert predicted.blockers[0].function == "visits_wait"
    assert len(times) == 2 * ROUNDS
    times.sort()
    middle = quantiles["p50"]
    assert agrees(middle, times), told
    assert not agrees(replace(middle, low=4 * middle.low, high=4 * middle.high), times), told
    assert times[-4] <= quantiles["p99"].high, told


def agrees(median: Interval, times: Sequence[float]) -> bool:
    """Of 24, in order, the true median lies between the 7th and the 18th, 49 times of 50."""
    return times[6] <= median.high and times[17] >= median.low
