# SPDX-License-Identifier: MIT
"""The Ansible collection, built and installed as users do, on simulated kernels."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lppack.engines.simulated import Simulated, SimulatedClock, SimulatedHost, stored
from lppack.stages.apply import Control, apply
from tests.kit.command import lppack
from tests.kit.fleet import BIN, COLLECTION, FORCED, SERIES, Fleet, collections, fleet, recap
from tests.kit.rollout import FAST, HISTOGRAM, SLOW, STUCK, gather
from tests.kit.samples import RELEASE, bundle
from tests.kit.sanity import ALONE, sanity
from tests.kit.sshd import Sshd, serve

__all__ = ["collections", "fleet"]  # fixtures

pytestmark = pytest.mark.slow


def test_each_wave_then_nothing_to_do_then_only_a_look(fleet: Fleet) -> None:
    hosts: dict[str, dict[str, Any]] = {name: {} for name in "ab"}
    hosts["held"] = {"lppack_rollout_hold": True}
    # By the release of the kernel; a simulated one has none before its first patch.
    hosts["b"] = {"lppack_rollout_bundle": dict.fromkeys(("", RELEASE), str(fleet.bundle))}
    inventory, play = fleet.inventory(hosts), fleet.play(serial=[1, 2])
    done = fleet.run("ansible-playbook", "-i", inventory, play, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any(map(fleet.live, hosts))
    done = fleet.run("ansible-playbook", "-i", inventory, play)
    assert done.returncode == 0, done.stdout + done.stderr
    assert fleet.states() == {"a": "done", "b": "done", "held": "held"}
    assert [fleet.live(host) for host in hosts] == [True, True, False]
    done = fleet.run("ansible-playbook", "-i", inventory, play)
    assert done.returncode == 0
    assert {host: row["changed"] for host, row in recap(done.stdout).items()} == dict.fromkeys(
        hosts, 0
    )


def test_a_wave_with_a_host_that_fails_is_taken_back_and_no_other_begins(fleet: Fleet) -> None:
    """Your own command finds that `b` is not well once it is patched, and `e` has an oops then."""
    gate = (
        "sh -c 'test {{ inventory_hostname }} != b || "
        f"! grep -q lppack_conn {fleet.kernel('b')}'"
    )
    hosts: dict[str, dict[str, Any]] = {name: {"lppack_rollout_gate": gate} for name in "abced"}
    hosts["a"] = {"lppack_rollout_soak": 1}
    fleet.complains("e")
    inventory, play = fleet.inventory(hosts), fleet.play(serial=[1, 3, 1])
    done = fleet.run("ansible-playbook", "-i", inventory, play)
    assert done.returncode != 0
    states = {"a": "done", "b": "failed", "c": "reverted", "e": "failed", "d": "not begun"}
    assert fleet.states() == states, done.stdout[-3000:]
    assert fleet.reason("b").endswith("; reverted")
    assert fleet.reason("e") == (
        "the kernel has reported a fault: [   99.500000] Oops: 0002 [#1] PREEMPT SMP; reverted"
    )
    assert [fleet.live(host) for host in hosts] == [True, *[False] * 4]
    assert "stopped at b, e" in done.stdout


#: The far side dies while lppack is at work on it: the connection, and the server.
_DIES = """#!/bin/sh
[ "$1" = apply ] || exec {lppack} "$@"
pid=$(cat {pid})
kill -9 $(cat /proc/$pid/task/$pid/children) $pid
exec {lppack} "$@"
"""


def dying(fleet: Fleet, sshd: Sshd) -> dict[str, Any]:
    """A host that only ssh reaches, until lppack applies something on it."""
    program = fleet.folder / "lppack"
    program.write_text(_DIES.format(lppack=BIN / "lppack", pid=sshd.folder / "pid"))
    program.chmod(0o755)
    return {
        "ansible_connection": "ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": sshd.port,
        "ansible_ssh_executable": str(sshd.bin / "ssh"),
        "lppack_rollout_executable": str(program),
    }


@pytest.mark.parametrize("forced", [False, True], ids=["", "with force_handlers"])
def test_a_host_that_is_lost_in_mid_apply_stops_the_roll_out(
    fleet: Fleet, tmp_path: Path, forced: bool
) -> None:
    (tmp_path / "sshd").mkdir()
    with serve(tmp_path / "sshd") as sshd:
        hosts: dict[str, dict[str, Any]] = {"a": {}, "lost": dying(fleet, sshd), "c": {}}
        more: Mapping[str, Any] = FORCED if forced else {"max_fail_percentage": 0}
        inventory, play = fleet.inventory(hosts), fleet.play(serial=[2, 1], **more)
        done = fleet.run("ansible-playbook", "-i", inventory, play)
    assert done.returncode != 0
    assert fleet.states() == {"a": "reverted", "lost": "unreachable", "c": "not begun"}
    assert "stopped at lost" in done.stdout
    assert [fleet.live(host) for host in "ac"] == [False, False]


def test_a_play_that_goes_on_after_a_lost_wave_is_stopped_by_the_next(fleet: Fleet) -> None:
    """Whatever else a play does: a wave looks at those before it."""
    hosts: dict[str, dict[str, Any]] = {"a": {}, "b": {}}
    play = fleet.play(
        serial=[1, 1],
        pre_tasks=[
            {
                "ansible.builtin.set_fact": {"lppack_rollout_state": "unreachable"},
                "when": "inventory_hostname == 'a'",
            },
            {"ansible.builtin.meta": "end_host", "when": "inventory_hostname == 'a'"},
        ],
    )
    done = fleet.run("ansible-playbook", "-i", fleet.inventory(hosts), play)
    assert done.returncode != 0
    assert "stopped at a; this host: not begun" in done.stdout
    assert not fleet.live("b")


def patched_alone(state: Path) -> None:
    """A kernel with a patch that has data to convert, and does not convert it yet."""
    one = bundle(series=SERIES, converts=True)
    with stored(state / "lppack/simulated/kernel.json") as kernel:
        control = Control(
            engine=Simulated(kernel, one), host=SimulatedHost(kernel), clock=SimulatedClock(kernel)
        )
        apply(control, one, Path("/nonexistent.ko"), convert=False)


def test_the_modules_say_what_they_would_do_and_what_they_did(fleet: Fleet) -> None:
    common = f"host=simulated executable={BIN}/lppack"
    inventory = fleet.inventory({"a": {"ansible_shell_type": "sh"}})
    os.environ["XDG_STATE_HOME"] = str(fleet.state("a"))
    try:

        def module(name: str, words: str = "", *more: str) -> dict[str, Any]:
            done = fleet.run(
                *("ansible", "a", "-i", inventory, "-m", f"lppack.livepatch.{name}"),
                *("-a", f"{common} {words}", *more),
            )
            found = re.search(r"=> (\{.*\})", done.stdout, re.DOTALL)
            assert found, done.stdout + done.stderr
            value: dict[str, Any] = json.JSONDecoder().raw_decode(found[1])[0]
            return {**value, "out": done.stdout, "rc": done.returncode}

        assert module("apply", f"bundle={fleet.bundle}", "--check")["changed"] is True
        assert not fleet.live("a")
        applied = module("apply", f"bundle={fleet.bundle} phase=patch", "--diff")
        assert (applied["changed"], applied["patches"][0]["phase"]) == (True, "patched")
        assert "+conn-limit 2: patched, conversion" in applied["out"]
        assert module("apply", f"bundle={fleet.bundle} phase=patch")["changed"] is False
        assert module("convert", f"series={SERIES}", "--check")["changed"] is False
        done = module("convert", f"series={SERIES}", "--diff")
        assert (done["changed"], done["patches"][0]["conversion"]) == (False, "none")
        status = module("status", "settled=true")
        assert (status["changed"], status["patches"][0]["conversion"]) == (False, "none")
        assert module("revert", f"series={SERIES}", "--check")["changed"] is True
        assert fleet.live("a")
        assert module("revert", f"series={SERIES}", "--diff")["changed"] is True
        assert module("revert", f"series={SERIES}")["changed"] is False
        patched_alone(fleet.state("a"))
        assert module("convert", f"series={SERIES}", "--check")["changed"] is True
        assert module("convert", f"series={SERIES}")["changed"] is True
        assert module("convert", f"series={SERIES}")["changed"] is False
        assert module("status")["patches"][0]["conversion"] == "on"
        assert module("revert", f"series={SERIES}")["changed"] is True
        (fleet.folder / "signers").write_text("nobody namespaces=x ssh-ed25519 AAAA\n")
        unsigned = module("apply", f"bundle={fleet.bundle} signers={fleet.folder}/signers")
        assert (unsigned["rc"], unsigned["changed"], unsigned["code"]) == (2, False, 9)
        assert not fleet.live("a")
        refused = module("apply", "bundle=/nonexistent.lpp")
        assert (refused["rc"], refused["changed"], refused["code"]) == (2, False, 4)
        assert "does not exist" in refused["msg"] and refused["hint"]
    finally:
        del os.environ["XDG_STATE_HOME"]


@pytest.mark.parametrize("name", ["apply", "revert", "convert", "status"])
def test_each_module_has_its_page(fleet: Fleet, name: str) -> None:
    done = fleet.run("ansible-doc", "-t", "module", "--json", f"lppack.livepatch.{name}")
    assert done.returncode == 0, done.stderr
    page = json.loads(done.stdout)[f"lppack.livepatch.{name}"]
    assert {"host", "executable"} <= set(page["doc"]["options"])
    assert page["doc"]["attributes"]["check_mode"]["support"] == "full"
    assert page["examples"] and page["return"]


def test_the_role_has_a_page_that_tells_each_variable(fleet: Fleet) -> None:
    done = fleet.run("ansible-doc", "-t", "role", "--json", "lppack.livepatch.rollout")
    assert done.returncode == 0, done.stderr
    options = json.loads(done.stdout)["lppack.livepatch.rollout"]["entry_points"]["main"]["options"]
    defaults = yaml.safe_load((COLLECTION / "roles/rollout/defaults/main.yml").read_text())
    assert set(options) == set(defaults)
    assert all(option["description"] for option in options.values())


def test_waves_go_in_the_order_of_the_plan(fleet: Fleet, tmp_path: Path) -> None:
    """`rollout plan` to the playbook of the collection, as docs/fleet.md has it."""
    gathered = tmp_path / "gathered"
    gather(gathered, "a", SLOW, cmdline_proc_show=HISTOGRAM)
    gather(gathered, "b", STUCK)
    gather(gathered, "c", FAST)
    words = ("--hosts", gathered, "--watched", "600", "--format", "ansible")
    chosen = fleet.folder / "plan.json"
    chosen.write_text(lppack("rollout", "plan", fleet.bundle, *words).out)
    hosts: dict[str, dict[str, Any]] = {}
    for name in "abc":
        program = fleet.folder / name / "lppack"
        program.parent.mkdir()
        state = f"XDG_STATE_HOME={fleet.state(name)}"
        program.write_text(f'#!/bin/sh\n{state} exec {BIN}/lppack "$@"\n')
        program.chmod(0o755)
        hosts[name] = {"lppack_rollout_executable": str(program)}
    done = fleet.run(
        *("ansible-playbook", "-i", fleet.inventory(hosts), "lppack.livepatch.rollout"),
        *("-e", f"@{chosen}", "-e", '{"lppack_waves": [1, 1, 1]}'),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    begun = re.findall(r"TASK \[lppack.livepatch.rollout : Begin\] \*+\nok: \[(\w)\]", done.stdout)
    assert begun == ["c", "a"], "those that finish soonest first, and not in the inventory's order"
    assert [fleet.live(host) for host in "abc"] == [True, False, True]


def test_the_collection_is_sane_and_a_page_that_is_wrong_is_seen(tmp_path: Path) -> None:
    """By what ansible-test can say with few packages; `invoke soak sanity` is all of it."""
    done = sanity(tmp_path, *ALONE, "validate-modules")
    assert done.returncode == 0, done.stdout + done.stderr
    spoilt = tmp_path / "spoilt"
    shutil.copytree(COLLECTION, spoilt)
    module = spoilt / "plugins/modules/convert.py"
    text = module.read_text()
    module.write_text(text.replace('"series": {"type": "str", "required": True}', '"series": {}'))
    done = sanity(tmp_path, "validate-modules", collection=spoilt)
    assert done.returncode != 0
    assert "convert.py:0:0: doc-required-mismatch" in done.stdout, done.stdout
