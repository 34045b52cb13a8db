# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from lppack.rules.history import history_problems
from tests.kit.samples import document, full, patch_folder
from tests.unit.rules.cases import title
from tests.unit.rules.every_case import of_kind
from tests.unit.rules.history_cases import HistoryCase


@pytest.mark.parametrize("case", of_kind(HistoryCase), ids=title)
def test_rule(case: HistoryCase, tmp_path: Path) -> None:
    assert [fault.pointer for fault in case.found(tmp_path)] == case.faults


@pytest.mark.parametrize("data", [{}, [], None, {"version": "x", "name": 1, "states": {}}])
def test_what_came_before_may_have_any_shape(data: object, tmp_path: Path) -> None:
    now = document(full(), patch_folder(tmp_path))
    list(history_problems(now, document(data)))
    list(history_problems(document(data), now))
