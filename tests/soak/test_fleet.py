# SPDX-License-Identifier: MIT
"""A roll-out to many simulated kernels, with faults that a seed draws.

FLEET_HOSTS: how many hosts; FLEET_SEED: the same faults again.
"""

import os
import random
import re
import resource
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from lppack.engines.simulated import stored
from tests.kit.fleet import BIN, Fleet, collections, fleet

__all__ = ["collections", "fleet"]

HOSTS = int(os.environ.get("FLEET_HOSTS", "200"))
WAVES = 10
TURN = 40  # hosts
SEED = int(os.environ.get("FLEET_SEED") or random.SystemRandom().randrange(1 << 32))
UNREACHABLE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
#: Programs in place of lppack: one dies when it has applied, one answers with anything.
_DIES = """#!/bin/sh
[ "$1" = apply ] || exec {lppack} "$@"
{lppack} "$@" > /dev/null
kill -9 $$
"""
_LIES = """#!/bin/sh
[ "$1" = apply ] || exec {lppack} "$@"
{lppack} "$@" > /dev/null
head -c 100000 /dev/urandom
"""


def program(fleet: Fleet, name: str, text: str) -> dict[str, Any]:
    file = fleet.folder / name
    file.write_text(text.format(lppack=BIN / "lppack"))
    file.chmod(0o755)
    return {"lppack_rollout_executable": str(file)}


def mourned(fleet: Fleet, host: str) -> dict[str, Any]:
    """Your own command fails once the host is patched."""
    return {"lppack_rollout_gate": f"sh -c '! grep -q lppack_conn {fleet.kernel(host)}'"}


def complains(fleet: Fleet, host: str) -> dict[str, Any]:
    """Its kernel has an oops once it is patched."""
    fleet.complains(host)
    return {}


def asleep(fleet: Fleet, host: str) -> dict[str, Any]:
    """A thread sleeps in a function that the patch replaces, and nobody wakes it."""
    with stored(fleet.kernel(host)) as kernel:
        kernel.hold("cmdline_proc_show")
    return {"lppack_rollout_timeout": 5}


FAULTS: dict[str, Callable[[Fleet, str], dict[str, Any]]] = {
    "no way to it": lambda _fleet, _host: dict(UNREACHABLE),
    "not well": mourned,
    "oops": complains,
    "asleep": asleep,
    "dies": lambda fleet, _host: program(fleet, "dies", _DIES),
    "lies": lambda fleet, _host: program(fleet, "lies", _LIES),
    "no bundle": lambda _fleet, _host: {"lppack_rollout_bundle": {"9.9": "none"}},
}


def drawn(fleet: Fleet, draw: random.Random) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return hosts, of which one in ten is held back, and the fault of about one in thirty."""
    hosts: dict[str, dict[str, Any]] = {}
    faults: dict[str, str] = {}
    for number in range(HOSTS):
        name, at = f"h{number:03}", draw.random()
        fault = draw.choice(list(FAULTS))
        hosts[name] = {"lppack_rollout_hold": True} if at > 0.9 else {}
        if at < 0.03:
            faults[name], hosts[name] = fault, FAULTS[fault](fleet, name)
    return hosts, faults


def spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.slow
def test_each_host_is_in_the_state_that_the_report_names(
    fleet: Fleet, record_property: Callable[[str, object], None]
) -> None:
    """Each time that it stops, the operator holds back the hosts that failed, and goes on."""
    hosts, faults = drawn(fleet, random.Random(SEED))
    size = max(1, HOSTS // WAVES)
    record_property("told", f"seed {SEED}: {HOSTS} hosts, waves of {size}; faults {faults}")
    play, rest = fleet.play(serial=[size]), list(hosts)
    cost, ran, waves, ends = 0.0, 0, 0, dict[str, str]()
    while rest:
        inventory = fleet.inventory({name: hosts[name] for name in rest})
        begun = spent()
        done = fleet.run("ansible-playbook", "-i", inventory, play, "--forks", "20", limit=7200)
        cost += spent() - begun
        states = fleet.states()
        assert list(states) == sorted(rest)
        parts = [rest[at : at + size] for at in range(0, len(rest), size)]
        stop = next((n for n, part in enumerate(parts) if faults.keys() & set(part)), len(parts))
        assert (done.returncode != 0) == (stop < len(parts)), done.stdout[-3000:]
        for number, name in ((n, name) for n, part in enumerate(parts) for name in part):
            assert states[name] == _state(hosts[name], faults.get(name), number - stop), name
            assert fleet.live(name) == (states[name] == "done"), name
        ran += sum(state not in ("held", "not begun") for state in states.values())
        waves += stop
        ends |= {name: state for part in parts[:stop] for name in part if (state := states[name])}
        rest = [name for part in parts[stop:] for name in part]
        for name in set(parts[stop]) & faults.keys() if rest else ():
            record_property("told", f"{name}: {faults.pop(name)}: {fleet.reason(name)[:120]}")
            hosts[name] = {"lppack_rollout_hold": True}
    assert ends.keys() == hosts.keys() and waves >= WAVES
    record_property(
        "told",
        f"{waves} waves, {Counter(ends.values())}; {ran} times a host was begun with, "
        f"{cost / ran:.2f} CPU s for each",
    )


def _state(host: dict[str, Any], fault: str | None, wave: int) -> str:
    """``wave``: 0 is the one that stops, those before it are negative."""
    if wave > 0:
        return "not begun"
    if "lppack_rollout_hold" in host:
        return "held"
    if fault:
        return "unreachable" if fault == "no way to it" else "failed"
    return "done" if wave < 0 else "reverted"


@pytest.mark.slow
def test_what_a_module_costs_beside_command(
    fleet: Fleet, record_property: Callable[[str, object], None]
) -> None:
    """With a local connection the cost of lppack itself is in it, which runs on the host else.

    In turns, as a machine that does other work counts more CPU time for the same.
    """
    names = [f"h{number:03}" for number in range(HOSTS)]
    inventory = fleet.inventory({name: {} for name in names})
    kinds = {
        "command true": ("ansible.builtin.command", "true"),
        "command lppack status": ("ansible.builtin.command", "lppack status --on simulated"),
        "module status": ("lppack.livepatch.status", "host=simulated"),
    }
    cost = dict.fromkeys(kinds, 0.0)
    for at in range(0, HOSTS, TURN):
        part = names[at : at + TURN]
        for kind, (module, words) in kinds.items():
            begun = spent()
            argv = ("ansible", ",".join(part), "-i", inventory, "--forks", "20")
            done = fleet.run(*argv, "-m", module, "-a", words, limit=3600)
            assert done.returncode == 0, done.stdout[-2000:]
            assert len(re.findall(r"^h\d+ \|", done.stdout, re.MULTILINE)) == len(part)
            cost[kind] += (spent() - begun) / HOSTS
    each = ", ".join(f"{kind} {seconds:.3f}" for kind, seconds in cost.items())
    ratio = cost["module status"] / cost["command true"]
    record_property("told", f"CPU s for each of {HOSTS} hosts: {each}; {ratio:.2f} times")
    assert ratio <= 1.5
