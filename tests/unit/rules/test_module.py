# SPDX-License-Identifier: MIT
import pytest

from lppack.elf.module import read_module
from lppack.rules.module import faults
from lppack.rules.view import Against
from tests.kit import tiny_elf
from tests.unit.rules.cases import title
from tests.unit.rules.every_case import of_kind
from tests.unit.rules.module_cases import GOOD, KERNEL, ModuleCase


@pytest.mark.parametrize("case", of_kind(ModuleCase), ids=title)
def test_rule(case: ModuleCase) -> None:
    said = list(case.rule(read_module(case.data), KERNEL))
    assert bool(said) is case.fails
    assert all(case.says in text for text in said)


def test_a_good_module_has_no_fault() -> None:
    assert faults(read_module(GOOD), KERNEL) == []


def test_what_is_not_known_is_not_judged() -> None:
    module = read_module(tiny_elf.module(undefined=["kallsyms_on_each"]))
    assert faults(module, Against()) == []
