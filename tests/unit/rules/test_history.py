# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from lppack.rules import history
from lppack.rules.history import history_problems
from tests.kit.samples import document, full, patch_folder
from tests.unit.rules.cases import functions, title
from tests.unit.rules.every_case import of_kind
from tests.unit.rules.history_cases import HistoryCase


@pytest.mark.parametrize("case", of_kind(HistoryCase), ids=title)
def test_rule(case: HistoryCase, tmp_path: Path) -> None:
    assert [fault.pointer for fault in case.found(tmp_path)] == case.faults


def test_a_function_that_is_left_out_comes_back_unfixed(tmp_path: Path) -> None:
    """Its replacement ends with the version before: the author sees what runs then."""
    one = functions({"old": "conn_open", "new": "lp_conn_open"})
    case = HistoryCase(history.function_is_still_patched, "one is not", one)
    [fault] = case.found(tmp_path)
    assert fault.message == (
        "the earlier version replaced s_show of conn, and this one does not: the original function "
        "runs again, without the fix"
    )
    assert fault.hint == "list it again, or state the reason in the description"


@pytest.mark.parametrize("data", [{}, [], None, {"version": "x", "name": 1, "states": {}}])
def test_what_came_before_may_have_any_shape(data: object, tmp_path: Path) -> None:
    now = document(full(), patch_folder(tmp_path))
    list(history_problems(now, document(data)))
    list(history_problems(document(data), now))
