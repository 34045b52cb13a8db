# SPDX-License-Identifier: MIT
import pytest

from lppack.consistency import ModeName, mode_named
from lppack.model import FunctionPatch, ObjectPatch
from lppack.rules.compiled import compiled_faults
from tests.unit.rules.cases import title
from tests.unit.rules.compiled_cases import CASES, CompiledCase, KnownTypes
from tests.unit.samples import manifest, plan

PLAN = plan(
    manifest(),
    mode=mode_named(ModeName.REFCOUNT),
    modules=(
        ObjectPatch(
            name="conn",
            functions=(
                FunctionPatch(old="conn_open", new="lp_conn_open", sympos=None, words=6),
                FunctionPatch(old="s_show", new="lp_s_show", sympos=2, words=6),
            ),
        ),
        ObjectPatch(name="built_for_the_test", functions=()),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=title)
def test_rule(case: CompiledCase) -> None:
    said = list(case.rule(case.compiled, PLAN, KnownTypes()))
    assert bool(said) is case.fails
    assert all(case.says in text for text in said)


def test_all_that_is_wrong_is_said_at_once() -> None:
    known = KnownTypes()
    said = [text for case in CASES for text in compiled_faults(case.compiled, PLAN, known)]
    assert len(said) == sum(case.fails for case in CASES)
