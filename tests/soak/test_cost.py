# SPDX-License-Identifier: MIT
"""What `lppack cost` says, against the counter of QEMU: the table, and the price of a load.

A guest's clock goes by instructions there, 1 ns for each: so a share of a CPU is one of
instructions, at one cycle each and 1 GHz.
"""

import re
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import calls
from benchmarks.counted import Counted, counted
from lppack.cost.calls import call_rates, read_calls
from lppack.cost.measured import MEASURED, UNPATCHED, Measured
from lppack.cost.price import price_of
from lppack.debian.kernels import resolve
from lppack.debian.programs import programs_root
from lppack.hosts.guest import GuestHost

PATCH = Path("benchmarks/paths")
ROUNDS = 10
#: The load, how many calls, how much user code between two of them; what it calls.
LOADS = {
    "getppid": (20_000, 125, "__x64_sys_getppid"),  # about a million calls in a second
    "udp": (2_000, 0, "udp_rcv"),  # packets over loopback, one after the other
}
PATHS = (calls.UPSTREAM, "consistency hybrid", "consistency kpatch")


@pytest.mark.parametrize("known", MEASURED, ids=lambda one: one.release)
def test_the_table_is_what_is_counted(known: Measured) -> None:
    found = {
        path: value for path, value, _, _ in calls.measure(resolve(None, [known.release])).paths
    }
    assert set(found) == {path for path, *_ in known.paths}
    for path, median, _, _ in known.paths:
        assert found[path] == pytest.approx(median, abs=1.0), path


@pytest.fixture(scope="module", params=["6.1.0-*-amd64", "6.12.*+deb13-amd64"])
def counter(request: pytest.FixtureRequest) -> Iterator[Counted]:
    perf = programs_root(("linux-perf",), ("usr/bin/perf",), "bookworm")
    with counted(resolve(None, [request.param]), PATCH, PATHS, root=perf) as made:
        shell(made.host, "ip link set lo up")
        for _, _, function in LOADS.values():
            shell(made.host, f"perf probe --add {function}")
        yield made


@pytest.mark.parametrize("load", LOADS)
def test_the_price_of_a_load_is_within_a_fifth(counter: Counted, load: str, tmp_path: Path) -> None:
    number, _, function = LOADS[load]
    files = by_perf(counter.host, load, tmp_path)
    for file in files.values():
        assert read_calls(file).counts == {function: number}, file.read_text()
    rates = call_rates([files["stat"]], None)
    price = price_of(
        [("vmlinux", of) for _, _, of in LOADS.values()],
        counter.release,
        rates,
        cycles_per_instruction=1.0,
        ghz=1.0,
    )
    predicted = {path.path: path.added_share for path in price.paths}
    added = {path.path: path.added for path in price.paths}
    plain = [run(counter.host, load) for _ in range(ROUNDS)]
    for path in counter.patches:
        with counter.patched(path):
            patched = [run(counter.host, load) for _ in range(ROUNDS)]
        # What each call takes more, at the calls a second that perf has counted.
        more = statistics.median(b - a for a, b in zip(plain, patched, strict=True)) / number
        measured = more * rates.per_second[function] * 1e-9
        share = predicted[path]
        assert share
        second = number / statistics.median(plain) * 1e9
        line = (
            f"{counter.release} {load} {path}: {second:,.0f} calls a second, "
            f"{rates.per_second[function]:,.0f} of them with perf's probe; predicted "
            f"{share:.3%} of a CPU, counted {measured:.3%}, ratio {measured / share:.2f}; a call "
            f"{added[path]:.0f} more, counted {more:.1f}"
        )
        sys.stdout.write(line + "\n")
        assert measured == pytest.approx(share, rel=0.2), line
    assert predicted[UNPATCHED] == 0


def run(host: GuestHost, load: str) -> int:
    """Return the nanoseconds, which are instructions, of the load."""
    found = re.search(r"calls \d+ ns (\d+)\n", shell(host, words(load)))
    assert found
    return int(found[1])


def words(load: str) -> str:
    number, spin, _ = LOADS[load]
    return f"/test/paths {load} {number} {spin}"


def by_perf(host: GuestHost, load: str, folder: Path) -> dict[str, Path]:
    """Return what perf stat, perf script and perf report print of the calls of a load."""
    event = f"probe:{LOADS[load][2]}"
    shell(host, f"perf stat -a -e {event},cycles,instructions -o /tmp/stat {words(load)}")
    shell(host, f"perf record -q -a -c 1 -e {event} -o /tmp/data {words(load)}")
    shell(host, "perf script -i /tmp/data > /tmp/script")
    shell(host, "perf report -i /tmp/data --stdio > /tmp/report")
    made = {name: folder / name for name in ("stat", "script", "report")}
    for name, path in made.items():
        path.write_text(host.read(f"/tmp/{name}"))
    return made


def shell(host: GuestHost, script: str) -> str:
    ran = host.run(["/bin/busybox", "sh", "-c", script], limit=600.0)
    assert ran.rc == 0, ran.err + ran.out
    return ran.out
