# SPDX-License-Identifier: MIT
from lppack.rules import support
from tests.unit.rules.cases import Case, transform

CASES = (
    Case(support.not_yet_supported, "nothing of it", {}),
    Case(
        support.not_yet_supported,
        "what is checked and needs no more",
        {"kthreads": "patched-set", "interdependent": [["conn_open", "s_show"]]},
    ),
    Case(support.not_yet_supported, "who calls whom", {"workload": {"calls": {}}}),
    Case(
        support.not_yet_supported,
        "no way back",
        transform(reverse=None, irreversible=True),
        [("transforms", 0, "irreversible")],
    ),
)
