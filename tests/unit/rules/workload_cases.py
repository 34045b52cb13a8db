# SPDX-License-Identifier: MIT
from typing import Any

from lppack.rules import workload
from tests.unit.rules.cases import Case

_AT = ("workload", "visits", 0)
_RATE = {"threads": 4, "per_second": 2}


def _visits(entry: dict[str, Any], **others: object) -> dict[str, Any]:
    return {"workload": {"visits": [{"function": "conn_open", **entry}], **others}}


def _calls(calls: dict[str, list[str]], *threads: list[str]) -> dict[str, Any]:
    return {"workload": {"calls": calls, "threads": list(threads)}}


CASES = (
    Case(workload.calls_lead_from_the_patch_to_the_patch, "no workload", {}),
    Case(
        workload.calls_lead_from_the_patch_to_the_patch,
        "of the patch",
        _calls({"conn_open": ["s_show"], "s_show": []}),
    ),
    Case(
        workload.calls_lead_from_the_patch_to_the_patch,
        "through others",
        _calls({"conn_open": ["one"], "one": ["two"], "two": ["one", "s_show"]}),
    ),
    Case(
        workload.calls_lead_from_the_patch_to_the_patch,
        "through a stack",
        _calls({"conn_open": ["one"]}, ["one", "two", "s_show"]),
    ),
    Case(
        workload.calls_lead_from_the_patch_to_the_patch,
        "a callee that is misspelt",
        _calls({"conn_open": ["s_shwo"]}),
        [("workload", "calls", "conn_open", 0)],
    ),
    Case(
        workload.calls_lead_from_the_patch_to_the_patch,
        "a caller that is misspelt",
        _calls({"con_open": ["s_show"]}),
        [("workload", "calls", "con_open")],
    ),
    Case(
        workload.calls_lead_from_the_patch_to_the_patch,
        "a way that ends",
        _calls({"conn_open": ["one"], "one": ["two"], "s_show": []}),
        [
            ("workload", "calls", "conn_open", 0),
            ("workload", "calls", "one"),
            ("workload", "calls", "one", 0),
        ],
    ),
    Case(workload.stacks_name_replaced_functions, "no workload", {}),
    Case(
        workload.stacks_name_replaced_functions,
        "others around it",
        _calls({}, ["do_syscall_64", "conn_open", "helper", "s_show", "schedule"]),
    ),
    Case(
        workload.stacks_name_replaced_functions,
        "misspelt",
        _calls({}, ["conn_open", "s_shwo"]),
        [("workload", "threads", 0, 1)],
    ),
    Case(
        workload.stacks_name_replaced_functions,
        "only others",
        _calls({}, ["conn_open"], ["vfs_read", "schedule"]),
        [("workload", "threads", 1)],
    ),
    Case(
        workload.workload_is_of_the_patch,
        "a sleep elsewhere",
        {"workload": {"sleeps": ["conn_open", "ep_poll"]}},
        [("workload", "sleeps", 1)],
    ),
    Case(workload.workload_is_of_the_patch, "no workload", {}),
    Case(workload.workload_is_of_the_patch, "of the patch", _visits({})),
    Case(
        workload.workload_is_of_the_patch,
        "the kernel's border",
        _visits({"function": "do_syscall_64"}),
    ),
    Case(
        workload.workload_is_of_the_patch,
        "of another function",
        _visits({"function": "vfs_read"}),
        [(*_AT, "function")],
    ),
    Case(workload.visits_say_how_long, "no workload", {}),
    Case(workload.visits_say_how_long, "a histogram", _visits({"histogram": "h"}, stacks="s")),
    Case(workload.visits_say_how_long, "threads alone", _visits({"threads": 4}, stacks="s")),
    Case(workload.visits_say_how_long, "nothing", _visits({"comm": "web"}, stacks="s"), [_AT]),
    Case(
        workload.visits_say_how_long,
        "two lengths",
        _visits({"histogram": "h", "seconds": 1}, stacks="s"),
        [(*_AT, "seconds")],
    ),
    Case(workload.visits_say_how_long, "declared", _visits({**_RATE, "seconds": 0.5})),
    Case(
        workload.visits_say_how_long,
        "a histogram that was watched for",
        _visits({"threads": 4, "histogram": "h"}, watched=60),
    ),
    Case(workload.visits_say_how_long, "how many threads", _visits({"seconds": 0.5}), [_AT]),
    Case(workload.visits_say_how_long, "how long", _visits(_RATE), [_AT]),
    Case(
        workload.visits_say_how_long,
        "how often",
        _visits({"threads": 4, "seconds": 0.5}),
        [_AT],
    ),
)
