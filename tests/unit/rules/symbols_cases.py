# SPDX-License-Identifier: MIT
from typing import Any

from lppack.document import Pointer
from lppack.rules import symbols
from tests.unit.rules.cases import Case
from tests.unit.rules.kernel_cases import KernelCase


def _listed(*entries: Any, name: str = "vmlinux") -> dict[str, Any]:
    functions = [{"old": "cmdline_proc_show", "new": "lp_show"}]
    return {"objects": [{"name": name, "functions": functions, "symbols": list(entries)}]}


def _at(index: int) -> Pointer:
    return ("objects", 0, "symbols", index)


_OWN, _C = symbols.symbol_has_a_name_of_its_own, symbols.symbol_can_be_written_in_c
_TWO_NAMES = _listed(
    {"name": "s_show", "sympos": 1, "as": "one"}, {"name": "s_show", "sympos": 3, "as": "three"}
)

CASES = (
    Case(_OWN, "two of them", _listed("a", {"name": "b", "as": "c"})),
    Case(_OWN, "one twice", _listed("a", "a"), [_at(1)]),
    Case(_OWN, "by two names", _TWO_NAMES),
    Case(_OWN, "a replacement", _listed("lp_show"), [_at(0)]),
    Case(_OWN, "what lppack makes", _listed({"name": "a", "as": "lp_slot_a"}), [_at(0)]),
    Case(_C, "with `as`", _listed({"name": "count.3", "as": "count"})),
    Case(_C, "a static variable", _listed("a", "count.3"), [_at(1)]),
)

_WITH = symbols.symbol_is_there_with_its_object
_BASE = {"name": "base_get", "module": "base"}

_EXISTS, _ONE = symbols.symbol_exists, symbols.symbol_is_one
KERNEL_CASES = (
    KernelCase(_EXISTS, "nowhere", _listed("ep_poll", "nothing_like_it"), [_at(1)]),
    KernelCase(_EXISTS, "a clone", _listed("tcp_v4"), [_at(0)]),
    KernelCase(_EXISTS, "not so many", _listed({"name": "s_show", "sympos": 4}), [_at(0)]),
    KernelCase(_EXISTS, "of a module", _listed("lo_open", name="loop")),
    KernelCase(_EXISTS, "not of that module", _listed("lo_close", name="loop"), [_at(0)]),
    KernelCase(_EXISTS, "of a test target", _listed("conn_find", name="conn")),
    KernelCase(_ONE, "of three", _listed("s_show"), [_at(0)]),
    KernelCase(_ONE, "two of three", _TWO_NAMES),
    KernelCase(_EXISTS, "of what it depends on", _listed(_BASE, name="loop")),
    KernelCase(_EXISTS, "not there", _listed({**_BASE, "name": "x"}, name="loop"), [_at(0)]),
    KernelCase(_WITH, "of what it depends on", _listed("lo_open", _BASE, name="loop")),
    KernelCase(_WITH, "of what may go", _listed({**_BASE, "module": "e"}, name="loop"), [_at(0)]),
    KernelCase(_WITH, "its own", _listed({**_BASE, "module": "loop"}, name="loop"), [_at(0)]),
    KernelCase(_WITH, "of vmlinux", _listed(_BASE), [_at(0)]),
    KernelCase(_WITH, "of a test target", _listed(_BASE, name="conn")),
    KernelCase(symbols.symbol_outlives_boot, "init", _listed("start_kernel"), [_at(0)]),
)
