# SPDX-License-Identifier: MIT
"""Rules that need a kernel: its symbols, its configuration, and what plan chooses."""

from pathlib import Path

import pytest

from lppack.consistency import mode_named
from lppack.errors import Level
from lppack.kernel.facts import Facts
from lppack.rules import registry
from lppack.rules.registry import ask
from tests.kit.fake_facts import CONFIG, FACTS
from tests.kit.samples import document, full, kernel
from tests.unit.rules.cases import functions, title
from tests.unit.rules.every_case import of_kind
from tests.unit.rules.kernel_cases import KernelCase, PlanCase, TargetCase


@pytest.mark.parametrize("case", of_kind(KernelCase), ids=title)
def test_rule_of_symbols(case: KernelCase) -> None:
    faults = list(case.rule(document(full(**case.changes)), case.facts))
    assert [fault.pointer for fault in faults] == case.faults
    assert all(fault.message for fault in faults)


@pytest.mark.parametrize("case", of_kind(TargetCase), ids=title)
def test_rule_of_the_kernel(case: TargetCase, tmp_path: Path) -> None:
    patch = case.patch(tmp_path / "patch")
    faults = list(case.rule(patch, case.kernel(tmp_path), case.config()))
    assert bool(faults) is case.fails
    assert all(case.says in fault.message for fault in faults)


@pytest.mark.parametrize("case", of_kind(PlanCase), ids=title)
def test_rule_of_the_plan(case: PlanCase) -> None:
    patch = document(full(**case.changes))
    faults = list(case.rule(patch, mode_named(case.mode), case.engine, case.facts))
    assert [fault.pointer for fault in faults] == case.faults


def test_levels() -> None:
    patch = document(full(**functions({"old": "ep_poll"}, {"old": "no"}, name="vmlinux")))
    facts: Facts = FACTS
    found = {problem.rule: problem.level for problem in ask(registry.FACTS, patch, facts)}
    assert found == {
        "function-exists": Level.ERROR,
        "function-is-left-now-and-then": Level.WARNING,
        "fixed-function-is-replaced": Level.WARNING,
    }


def test_a_plain_kernel_has_no_problem() -> None:
    for needs in (registry.CONFIG, registry.ENVIRONMENT):
        assert list(ask(needs, document(full()), kernel(), CONFIG)) == []
