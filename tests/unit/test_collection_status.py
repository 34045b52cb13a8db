# SPDX-License-Identifier: MIT
"""What the status module of the collection finds wrong with a host."""

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.kit.fleet import COLLECTION

_NOW = {
    **{"boot": "a", "taint": 0, "faults": 0, "last_fault": 0.0, "line": "", "load": 0.1},
    **{"log_problem": None, "log_begins": 0.0, "log_ends": 1.0},
}
_FOUND = {
    **{"can_patch": True, "kernel": "6.1.0-47-amd64", "at_work": None, "unfinished": []},
    **{"leftovers": [], "next": None, "patches": [{"module": "m", "phase": "patched"}]},
}


@pytest.fixture(scope="module")
def status(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    folder = tmp_path_factory.mktemp("collections")
    (folder / "ansible_collections/lppack").mkdir(parents=True)
    (folder / "ansible_collections/lppack/livepatch").symlink_to(COLLECTION)
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(
            "ansible_collections.lppack.livepatch.plugins.modules.status"
        )
    finally:
        sys.path.remove(str(folder))


class Machine:
    """What health() asks of AnsibleModule: the kernel's log."""

    def __init__(self, log: str, code: int = 0, says: str = "", raises: bool = False) -> None:
        self.log, self.code, self.says, self.raises = log, code, says, raises

    def run_command(self, argv: list[str], **_more: object) -> tuple[int, str, str]:
        assert argv == ["dmesg"]
        if self.raises:
            raise FileNotFoundError(2, "No such file or directory")
        return self.code, self.log, self.says


@pytest.mark.parametrize(
    "line",
    [
        "BUG: kernel NULL pointer dereference, address: 0000000000000008",
        "BUG: soft lockup - CPU#1 stuck for 26s! [sh:300]",
        "Oops: 0002 [#1] PREEMPT SMP NOPTI",
        "kernel BUG at mm/slub.c:440!",
        "invalid opcode: 0000 [#1] PREEMPT SMP",
        "Kernel panic - not syncing: Fatal exception",
        "WARNING: CPU: 0 PID: 1 at kernel/livepatch/core.c:12 klp_x+0x1/0x2",
        "WARNING: kernel/livepatch/core.c:12 at klp_x+0x1/0x2, CPU#0: sh/1",
        "watchdog: Watchdog detected hard LOCKUP on cpu 1",
        "general protection fault, probably for non-canonical address 0x1: 0000 [#1]",
        "rcu: INFO: rcu_preempt self-detected stall on CPU",
        "INFO: task sh:300 blocked for more than 120 seconds.",
    ],
)
def test_a_fault_of_the_kernel_is_seen(status: ModuleType, line: str) -> None:
    quiet = "[    1.000000] Linux version 6.1\n"
    before = status.health(Machine(quiet))
    now = status.health(Machine(f"{quiet}[   99.500000] {line}\n"))
    assert (before["faults"], now["faults"], now["last_fault"]) == (0, 1, 99.5)
    assert status.worse({**now, "taint": before["taint"]}, before).endswith(line)
    assert status.worse(now, now) is None, "it was there before"


@pytest.mark.parametrize(
    "line",
    [
        "sh[300] general protection fault ip:55d0 sp:7ffd error:0 in sh",
        "systemd[1]: WARNING: the unit file has changed",
        "livepatch: enabling patch 'lppack_conn_limit_1'",
        "DEBUGGER attached",
    ],
)
def test_what_is_no_fault_of_the_kernel_stops_nothing(status: ModuleType, line: str) -> None:
    assert status.health(Machine(f"[   99.500000] {line}\n"))["faults"] == 0


@pytest.mark.parametrize(
    ("machine", "why"),
    [
        (
            Machine("[    1.0] BUG: x", code=1, says="dmesg: not permitted\n"),
            "dmesg: not permitted",
        ),
        (Machine("", code=1), "dmesg ended with 1"),
        (Machine("", raises=True), "dmesg: No such file or directory"),
        (Machine("Linux version 6.1\nBUG: x\n"), "its lines have no time"),
    ],
)
def test_a_log_that_does_not_tell_is_not_a_log_without_faults(
    status: ModuleType, machine: Machine, why: str
) -> None:
    now = status.health(machine)
    assert now["faults"] is None
    assert "would not be seen" in status.unlogged(now) and why in status.unlogged(now)
    assert status.unlogged(status.health(Machine("[    1.0] Linux version 6.1\n"))) is None


QUIET = "[    0.000000] Linux version 6.1\n[   50.000000] a line\n"


@pytest.mark.parametrize(
    ("before", "now", "known"),
    [
        (QUIET, QUIET, True),
        (QUIET, f"{QUIET}[   60.000000] more\n", True),
        (QUIET, "[   50.000000] a line\n[   60.000000] more\n", True),
        (QUIET, "[   60.000000] more\n", False),
        (QUIET, "", False),
        ("", "[   60.000000] more\n", True),
    ],
)
def test_a_log_that_has_lost_lines_is_not_known(
    status: ModuleType, before: str, now: str, known: bool
) -> None:
    """Between both, a kernel may have reported a fault."""
    old, new = status.health(Machine(before)), status.health(Machine(now))
    why = status.worse({**new, "taint": 0}, {**old, "taint": 0})
    assert why is None if known else "does not go back to the call before" in why


def test_what_is_no_health_of_before_is_refused(status: ModuleType) -> None:
    assert status.worse(_NOW, {"boot": "a"}).startswith("`before` is not the health of an earlier")


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ({}, None),
        ({"boot": "b"}, "the host was rebooted"),
        ({"taint": 1 << 15 | 1 << 13 | 1 << 12}, None),  # of a live patch, and its signature
        ({"taint": 1 << 9 | 1 << 15}, "the kernel has a new taint: 512"),
        ({"last_fault": 2.0, "line": "BUG: x"}, "the kernel has reported a fault: BUG: x"),
    ],
)
def test_worse_than_before(status: ModuleType, now: dict[str, Any], why: str | None) -> None:
    assert status.worse({**_NOW, **now}, _NOW) == why
    assert status.worse({**_NOW, **now}, {**_NOW, **now}) is None


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({}, None),
        ({"can_patch": False}, "kernel 6.1.0-47-amd64 has no live patching"),
        ({"at_work": {"command": "apply"}}, "apply is at work"),
        ({"unfinished": [{}], "next": "lppack recover"}, "the way on is: lppack recover"),
        ({"leftovers": ["x.ko"], "next": "lppack recover"}, "the way on is: lppack recover"),
        ({"patches": [{"module": "m", "phase": "patching"}]}, "a transition of m goes on"),
        ({"patches": [{"module": "m", "phase": "unpatching"}]}, "a transition of m goes on"),
    ],
)
def test_not_settled(status: ModuleType, found: dict[str, Any], why: str | None) -> None:
    said = status.unsettled({**_FOUND, **found}, 0.1, None)
    assert said == why or (why and said.endswith(why))


@pytest.mark.parametrize(
    ("load", "most", "why"),
    [
        (9.0, None, None),
        (0.5, 0.5, None),
        (0.51, 0.5, "the load is 0.51 for each processor"),
        (0.01, 0.0, "the load is 0.01 for each processor"),
    ],
)
def test_a_load_that_is_too_high(
    status: ModuleType, load: float, most: float | None, why: str | None
) -> None:
    assert status.unsettled(_FOUND, load, most) == why


def test_the_collection_is_where_it_is_taken_from(status: ModuleType) -> None:
    assert Path(str(status.__file__)).resolve().is_relative_to(COLLECTION)


class Ended(Exception):
    """The module has ended; as Ansible ends a process."""


@pytest.mark.parametrize(
    ("host", "asked", "fails"),
    [
        ("local", {"settled": True}, True),
        ("local", {"before": {}}, True),
        ("local", {}, False),  # nobody asked whether the host is well
        ("simulated", {"settled": True}, False),  # that kernel has no log
        ("ssh:root@web1", {"settled": True}, False),  # this log says nothing of that kernel
    ],
)
def test_a_gate_fails_on_a_log_that_cannot_be_read(
    status: ModuleType, monkeypatch: pytest.MonkeyPatch, host: str, asked: Any, fails: bool
) -> None:
    mute = Machine("", code=1, says="dmesg: read kernel buffer failed: Operation not permitted")
    if "before" in asked:
        asked = {"before": status.health(Machine(QUIET))}
    params = {"host": host, "settled": False, "before": None, "max_load": None, **asked}
    ended: dict[str, Any] = {}

    def end(**result: Any) -> None:
        ended.update(result)
        raise Ended

    module = SimpleNamespace(params=params, run_command=mute.run_command)
    module.fail_json, module.exit_json = end, end
    warned: list[str] = []
    module.warn = warned.append
    monkeypatch.setattr(status, "AnsibleModule", lambda **_spec: module)
    found = SimpleNamespace(status=lambda: {"ok": True, **_FOUND})
    monkeypatch.setattr(status, "Lppack", lambda _module: found)
    with pytest.raises(Ended):
        status.main()
    assert ("Operation not permitted" in ended.get("msg", "")) == fails
    assert ended["health"]["faults"] is None
    assert ["not of ssh:root@web1" in line for line in warned] == [True] * host.startswith("ssh:")
