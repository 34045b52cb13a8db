# SPDX-License-Identifier: MIT
"""The role `rollout` on simulated kernels: what must end a wave, and what a host goes back to."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.bundles import OF, UPGRADE, made
from tests.kit.command import lppack
from tests.kit.fleet import BIN, SERIES, Fleet, collections, fleet

__all__ = ["collections", "fleet"]  # fixtures

pytestmark = pytest.mark.slow

Hosts = dict[str, dict[str, Any]]
LPPACK = BIN / "lppack"
PATCHED = (
    "grep -q lppack_conn {fleet}/{{{{ inventory_hostname }}}}/state/lppack/simulated/kernel.json"
)


def rolled(fleet: Fleet, hosts: Hosts, serial: list[int], **play: Any) -> str:
    """Roll out, and return what Ansible has printed; it has stopped."""
    argv = ("ansible-playbook", "-i", fleet.inventory(hosts), fleet.play(serial=serial, **play))
    done = fleet.run(*argv)
    assert done.returncode != 0, done.stdout
    return done.stdout


def gate(fleet: Fleet, then: str) -> str:
    """A command of yours that does something once the host is patched, and succeeds before."""
    return f"sh -c '! {PATCHED.format(fleet=fleet.folder)} || {then}'"


def program(fleet: Fleet, name: str, text: str) -> str:
    file = fleet.folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize("word", ["any_errors_fatal", "ignore_errors"])
def test_a_play_that_handles_errors_in_its_own_way(fleet: Fleet, word: str) -> None:
    """`refused` fails at apply; the load of `busy` is too high afterwards. Nobody waits then."""
    hosts: Hosts = {
        "a": {"lppack_rollout_soak": 3600},
        "refused": {"lppack_rollout_signers": "/nonexistent"},
        "busy": {
            "lppack_rollout_max_load": "{{ -1 if lppack_rollout_applied | default({}) else 1000 }}"
        },
        "c": {},
    }
    said = rolled(fleet, hosts, [3, 1], **{word: True})
    states = {"a": "reverted", "refused": "failed", "busy": "failed", "c": "not begun"}
    assert fleet.states() == states, said[-3000:]
    assert "the load is" in fleet.reason("busy")
    assert not any(map(fleet.live, hosts))
    assert "stopped at refused, busy" in said


def test_hosts_that_ansible_has_lost_before_the_role_begins(fleet: Fleet) -> None:
    dead = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    hosts: Hosts = {"a": {}, "dead": dead, "odd": {"lppack_rollout_timeout": "x"}, "b": {}, "c": {}}
    said = rolled(fleet, hosts, [1, 3, 1], gather_facts=True)
    assert fleet.states() == {
        "a": "done",
        **dict.fromkeys(("dead", "odd"), "removed"),
        **dict.fromkeys("bc", "not begun"),
    }, said[-3000:]
    assert "stopped at dead, odd; this host: not begun" in said
    assert [host for host in hosts if fleet.live(host)] == ["a"]


def test_a_host_that_falls_silent(fleet: Fleet) -> None:
    """`froze` answers no more in mid-apply, `mute` not even afterwards; a gate of `stuck` hangs."""
    after = f'[ "$1" = apply ] || exec {LPPACK} "$@"\n{LPPACK} "$@" > /dev/null\nexec sleep 100'
    ever = f'case "$1" in status) exec {LPPACK} "$@" ;; esac\nexec sleep 100'
    hosts: Hosts = {
        "a": {},
        "froze": {"lppack_rollout_executable": program(fleet, "froze-lppack", after)},
        "mute": {"lppack_rollout_executable": program(fleet, "mute-lppack", ever)},
        "stuck": {"lppack_rollout_gate": gate(fleet, "exec sleep 100")},
        "c": {},
    }
    limits = ("lppack_rollout_timeout", "lppack_rollout_undo_timeout")
    for host in hosts.values():
        host |= {"lppack_rollout_patience": 20, **dict.fromkeys(limits, 1)}
    said = rolled(fleet, hosts, [4, 1])
    assert fleet.states() == {
        "a": "reverted",
        "froze": "failed",
        "mute": "not known",
        "stuck": "failed",
        "c": "not begun",
    }, said[-3000:]
    for name, task in (("froze", "Apply"), ("stuck", "Ask your own command after")):
        assert fleet.reason(name).startswith(f"{task}: ")
        assert "Timed out" in fleet.reason(name) and fleet.reason(name).endswith("; reverted")
    assert "; Revert: " in fleet.reason("mute")
    assert not any(map(fleet.live, hosts))


#: A simulated host keeps no bundles; this one does, and has them as `revert --to` has.
_KEEPS = """
case "$*" in *--to*) ;; *) exec {lppack} "$@" ;; esac
[ -e {kept}/$2-$4.lpp ] || exec {lppack} "$@"
exec {lppack} apply {kept}/$2-$4.lpp --phase $6 --allow-older --on simulated --format json
"""


def upgrade(fleet: Fleet) -> Path:
    """A cumulative version 3 of the bundle, which replaces version 2."""
    folder = fleet.folder / "upgrade"
    return made(folder, folder, of={**OF, **UPGRADE})


def versions(fleet: Fleet, host: str) -> list[str]:
    file = fleet.kernel(host)
    kernel = json.loads(file.read_text()) if file.exists() else {"patches": []}
    return [patch["module"] for patch in kernel["patches"]]


def test_an_upgrade_goes_back_to_what_was_live_before(fleet: Fleet) -> None:
    """`lost` has not kept the version before; `fresh` had none; the wave fails because of `ill`."""
    kept = fleet.folder / "kept"
    kept.mkdir()
    shutil.copy(fleet.bundle, kept / f"{SERIES}-2.lpp")
    keeps = program(fleet, "keeps", _KEEPS.format(lppack=LPPACK, kept=kept))
    hosts: Hosts = {name: {"lppack_rollout_executable": keeps} for name in ("old", "lost", "fresh")}
    hosts["lost"] = {}
    hosts["ill"] = {"lppack_rollout_gate": gate(fleet, "exit 1")}
    for host in ("old", "lost"):
        apply(fleet, host, fleet.bundle)
    for one in hosts.values():
        one["lppack_rollout_bundle"] = str(upgrade(fleet))
    said = rolled(fleet, hosts, [4])
    states = {"old": "reverted", "lost": "not restored", "fresh": "reverted", "ill": "failed"}
    assert fleet.states() == states, said[-3000:]
    assert "not restored: conn-limit 2 is not kept" in fleet.reason("lost")
    assert versions(fleet, "old") == ["lppack_conn_limit_2"]
    assert not any(versions(fleet, host) for host in ("lost", "fresh", "ill"))


def apply(fleet: Fleet, host: str, bundle: Path) -> None:
    env = {"XDG_STATE_HOME": str(fleet.state(host)), "PATH": str(BIN)}
    argv = [str(LPPACK), "apply", str(bundle), "--on", "simulated"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_it_is_reverted_only_where_it_is_gone(fleet: Fleet) -> None:
    """The series is not that of the bundle; `dies` does not say what it has applied."""
    dies = f'[ "$1" = apply ] || exec {LPPACK} "$@"\n{LPPACK} "$@" > /dev/null\nkill -9 $$'
    hosts: Hosts = {
        "a": {},
        "dies": {"lppack_rollout_executable": program(fleet, "dies-lppack", dies)},
    }
    for host in hosts.values():
        host["lppack_rollout_series"] = "another"
    said = rolled(fleet, hosts, [2])
    assert fleet.states() == {"a": "reverted", "dies": "not reverted"}, said[-3000:]
    assert fleet.reason("dies").endswith(
        "not reverted: before: no live patch; now: conn-limit 2: patched, conversion none"
    )
    assert [fleet.live(host) for host in hosts] == [False, True]


def test_a_patch_that_is_gone_after_the_soak(fleet: Fleet) -> None:
    """Somebody else reverts it on `b`. The longest soak of a wave counts, not that of the first."""
    revert = f"{LPPACK} -q revert {SERIES} --on simulated > {fleet.folder}/reverted"
    hosts: Hosts = {
        "a": {},
        "b": {"lppack_rollout_soak": 1, "lppack_rollout_gate": gate(fleet, revert)},
        "c": {},
    }
    said = rolled(fleet, hosts, [2, 1])
    assert "Pausing for 1 seconds" in said
    assert fleet.states() == {"a": "reverted", "b": "failed", "c": "not begun"}, said[-3000:]
    assert "conn-limit 2 is not in effect any more" in fleet.reason("b")
    assert not any(map(fleet.live, hosts))


def test_a_second_roll_out_in_one_playbook(fleet: Fleet) -> None:
    """The second has no bundle for these kernels: it reverts nothing of the first."""
    play = yaml.safe_load(fleet.play(serial=[1]).read_text())[0]
    more = {"lppack_rollout_series": "another", "lppack_rollout_bundle": {"9.9": "none"}}
    both = fleet.folder / "both.yml"
    both.write_text(yaml.safe_dump([play, {**play, "vars": more}]))
    done = fleet.run("ansible-playbook", "-i", fleet.inventory({"a": {}, "b": {}}), both)
    assert done.returncode != 0
    assert fleet.states() == {"a": "failed", "b": "not begun"}, done.stdout[-3000:]
    assert [fleet.live(host) for host in "ab"] == [True, True]


#: In place of sudo; Ansible gives it options first.
_BECOME = 'while [ "$1" != /bin/sh ]; do shift; done\nexec "$@"'


def test_paths_from_here_and_becoming_root_only_there(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths are those from where ansible-playbook is called, also that of a signature."""
    monkeypatch.setenv("ANSIBLE_BECOME_EXE", "/nonexistent")
    here = fleet.folder / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    shutil.copy(fleet.bundle, here / "one.lpp")
    shutil.copy(fleet.bundle, here / "unsigned.lpp")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key"], check=True)
    key = (here / "key.pub").read_text()
    (here / "signers").write_text(f"a@example.org {key}")
    assert lppack("sign", here / "one.lpp", "--key", here / "key").rc == 0
    hosts: Hosts = {
        name: {
            "ansible_become_exe": program(fleet, "become", _BECOME),
            "lppack_rollout_signers": str(here / "signers"),
            "lppack_rollout_bundle": f"{bundle}.lpp",
            "lppack_rollout_report": "../report.json",
        }
        for name, bundle in (("a", "one"), ("b", "unsigned"))
    }
    left = fleet.folder / "b/bundles/unsigned.lpp.sig"  # of a bundle of that name, last week
    left.parent.mkdir(parents=True)
    shutil.copy(here / "one.lpp.sig", left)
    said = rolled(fleet, hosts, [1, 1], become=True)
    assert fleet.states() == {"a": "done", "b": "failed"}, said[-3000:]
    assert "is not signed" in fleet.reason("b")
