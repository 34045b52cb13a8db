# SPDX-License-Identifier: MIT
"""A roll-out to many simulated kernels, with faults that a seed draws.

FLEET_HOSTS: how many hosts; FLEET_SEED: the same faults again.
"""

import os
import random
import re
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kit.fleet import Fleet, collections, fleet

__all__ = ["collections", "fleet"]

HOSTS = int(os.environ.get("FLEET_HOSTS", "200"))
WAVES = 10
SEED = int(os.environ.get("FLEET_SEED") or random.SystemRandom().randrange(1 << 32))
#: What may be wrong with a host. `mourned` fails your own command once it is patched.
UNREACHABLE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}


def mourned(fleet: Fleet, host: str) -> dict[str, Any]:
    kernel = f"{fleet.state(host)}/lppack/simulated/kernel.json"
    return {"lppack_rollout_gate": f"sh -c '! grep -q lppack_conn {kernel}'"}


def drawn(fleet: Fleet, draw: random.Random) -> dict[str, dict[str, Any]]:
    """Hosts of which about one in fifty fails, and one in ten is held back."""
    hosts: dict[str, dict[str, Any]] = {}
    for number in range(HOSTS):
        name, at = f"h{number:03}", draw.random()
        faults: tuple[Callable[[], dict[str, Any]], ...] = (
            lambda: dict(UNREACHABLE),
            lambda name=name: mourned(fleet, name),  # type: ignore[misc]
        )
        hosts[name] = draw.choice(faults)() if at < 0.02 else {}
        if 0.02 <= at < 0.12:
            hosts[name] = {"lppack_rollout_hold": True}
    return hosts


def spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.slow
def test_each_host_is_in_the_state_that_the_report_names(
    fleet: Fleet, record_property: Callable[[str, object], None]
) -> None:
    hosts = drawn(fleet, random.Random(SEED))
    size = max(1, HOSTS // WAVES)
    inventory, play = fleet.inventory(hosts), fleet.play(serial=[size])
    begun = spent()
    done = fleet.run("ansible-playbook", "-i", inventory, play, "--forks", "20", limit=7200)
    cost = spent() - begun
    states = fleet.states()
    bad = [name for name in hosts if states[name] in ("failed", "unreachable")]
    record_property("told", f"seed {SEED}: {len(hosts)} hosts, waves of {size}; stopped at {bad}")
    assert set(states) == set(hosts)
    assert (done.returncode != 0) == bool(bad), done.stdout[-3000:]
    names = list(hosts)
    stop = names.index(bad[0]) // size if bad else WAVES
    for number, name in enumerate(names):
        held = "lppack_rollout_hold" in hosts[name]
        if number // size < stop:
            wanted = {"held" if held else "done"}
        elif number // size > stop:
            wanted = {"not begun"}
        elif held:
            wanted = {"held"}
        elif hosts[name] == UNREACHABLE:
            wanted = {"unreachable"}
        else:
            wanted = {"failed"} if hosts[name] else {"reverted"}
        assert states[name] in wanted, (name, states[name], wanted)
        assert fleet.live(name) == (states[name] == "done"), name
    ran = sum(state not in ("held", "not begun") for state in states.values())
    record_property("told", f"{cost / max(ran, 1):.2f} CPU s for each host that was begun with")


@pytest.mark.slow
def test_what_a_module_costs_beside_command(
    fleet: Fleet, record_property: Callable[[str, object], None]
) -> None:
    """With a local connection the cost of lppack itself is in it, which runs on the host else."""
    inventory = fleet.inventory({f"h{number:03}": {} for number in range(min(HOSTS, 40))})

    def cost(*words: str | Path) -> float:
        begun = spent()
        done = fleet.run("ansible", "all", "-i", inventory, "--forks", "20", *words, limit=3600)
        assert done.returncode == 0, done.stdout[-2000:]
        assert len(re.findall(r"^h\d+ \|", done.stdout, re.MULTILINE)) == min(HOSTS, 40)
        return (spent() - begun) / min(HOSTS, 40)

    own = cost("-m", "ansible.builtin.command", "-a", "true")
    program = cost("-m", "ansible.builtin.command", "-a", "lppack status --on simulated")
    ours = cost("-m", "lppack.livepatch.status", "-a", "host=simulated")
    record_property(
        "told",
        f"CPU s for each host: command true {own:.2f}, command lppack status {program:.2f}, "
        f"module status {ours:.2f}",
    )
    assert ours <= 1.5 * own
