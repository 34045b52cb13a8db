# SPDX-License-Identifier: MIT
"""What a roll-out to real machines must show: each wave, and what ends one."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.kit.fleet import FORCED, SERIES, recap
from tests.kit.guest_fleet import GuestFleet

ROLLOUT = "lppack.livepatch.rollout"
LIVE, PATCHED = ("patched", "on"), ("patched", "off")
Done = subprocess.CompletedProcess[str]


def roll_out(
    fleet: GuestFleet,
    waves: Sequence[int],
    *,
    hosts: Mapping[str, Mapping[str, Any]] | None = None,
    **more: str,
) -> Done:
    words = json.dumps({"lppack_waves": waves, **more})
    return fleet.run(
        *("ansible-playbook", "-i", fleet.hosts(hosts), ROLLOUT, "-e", words), limit=2400
    )


def each(fleet: GuestFleet, waves: Sequence[int], module: str) -> dict[str, int]:
    """Run a module in waves; return how often each host was changed."""
    play = fleet.play(
        serial=list(waves),
        environment={},
        roles=[],
        tasks=[{"name": "Do it", f"lppack.livepatch.{module}": {"series": SERIES}}],
    )
    done = fleet.run("ansible-playbook", "-i", fleet.hosts(), play, limit=2400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert begun(done.stdout, "Do it", "changed") == in_waves(list(fleet.machines), waves)
    return changes(done)


def changes(done: Done) -> dict[str, int]:
    return {host: row["changed"] for host, row in recap(done.stdout).items()}


def begun(text: str, task: str, word: str = "ok") -> list[set[str]]:
    """Return the hosts that a task was run on, for each time that it was."""
    parts = re.split(r"^TASK \[", text, flags=re.MULTILINE)
    return [
        set(re.findall(rf"^{word}: \[(\w+)\]", part, re.MULTILINE))
        for part in parts
        if re.match(rf"(\S+ : )?{task}\]", part)
    ]


def in_waves(names: Sequence[str], waves: Sequence[int]) -> list[set[str]]:
    rest = list(names)
    return [{rest.pop(0) for _ in range(size)} for size in waves]


def there_and_back(fleet: GuestFleet, waves: Sequence[int]) -> None:
    """Apply, convert, nothing to do, revert."""
    names = list(fleet.machines)
    done = roll_out(fleet, waves, lppack_rollout_phase="patch")
    assert done.returncode == 0, done.stdout + done.stderr
    assert begun(done.stdout, "Begin") == in_waves(names, waves)
    assert fleet.states() == dict.fromkeys(names, "done")
    assert fleet.places() == dict.fromkeys(names, PATCHED)
    assert each(fleet, waves, "convert") == dict.fromkeys(names, 1)
    assert fleet.places() == dict.fromkeys(names, LIVE)
    done = roll_out(fleet, waves)
    assert done.returncode == 0, done.stdout + done.stderr
    assert changes(done) == dict.fromkeys(names, 0)
    assert each(fleet, waves, "revert") == dict.fromkeys(names, 1)
    assert fleet.places() == dict.fromkeys(names, None)


def a_host_stalls(fleet: GuestFleet, waves: Sequence[int], victim: str) -> None:
    """A thread sleeps in a function that the patch replaces, and nobody wakes it."""
    names = list(fleet.machines)
    fleet.machines[victim].sleep_inside()
    hosts: dict[str, dict[str, Any]] = {name: {} for name in names}
    hosts[victim] = {"lppack_rollout_timeout": 8}
    done = roll_out(fleet, waves, hosts=hosts)
    _stopped(fleet, done, names, waves, victim, "failed")
    assert "reversed" in fleet.reason(victim), fleet.reason(victim)
    fleet.machines[victim].wake()
    fleet.take_back()


def a_host_is_killed(
    fleet: GuestFleet, waves: Sequence[int], victim: str, *, forced: bool = False
) -> None:
    """Its transition goes on for as long as that thread sleeps; its power is cut in it."""
    names = [name for name, one in fleet.machines.items() if one.runs]
    hosts: dict[str, dict[str, Any]] = {name: {} for name in names}
    one = fleet.machines[victim]
    one.sleep_inside()
    play = fleet.play(serial=list(waves), environment={}, **(FORCED if forced else {}))
    argv = ("ansible-playbook", "-i", fleet.hosts(hosts), play)
    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(fleet.run, *argv, limit=2400)
        one.kill_in_transition()
        done = running.result()
    _stopped(fleet, done, names, waves, victim, "unreachable")
    fleet.take_back()


def _stopped(
    fleet: GuestFleet, done: Done, names: list[str], waves: Sequence[int], victim: str, state: str
) -> None:
    """The wave of ``victim`` is taken back, those before it stay, and none is begun after it."""
    assert done.returncode != 0, done.stdout
    assert f"stopped at {victim}; this host: {state}" in done.stdout, done.stdout[-3000:]
    parts = in_waves(names, waves)
    last = next(number for number, part in enumerate(parts) if victim in part)
    wanted = {}
    for number, part in enumerate(parts):
        word = "done" if number < last else "reverted" if number == last else "not begun"
        wanted.update(dict.fromkeys(part, word))
    assert fleet.states() == {**wanted, victim: state}
    assert begun(done.stdout, "Begin") == parts[: last + 1]
    places = {name: LIVE if word == "done" else None for name, word in wanted.items()}
    if state == "unreachable":
        del places[victim]
    assert fleet.places() == places
