# SPDX-License-Identifier: MIT
from typing import Any

from lppack.rules import workload
from tests.unit.rules.cases import Case

_AT = ("workload", "visits", 0)
_RATE = {"threads": 4, "per_second": 2}


def _visits(entry: dict[str, Any], **others: object) -> dict[str, Any]:
    return {"workload": {"visits": [{"function": "conn_open", **entry}], **others}}


CASES = (
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
