# SPDX-License-Identifier: MIT
"""Each claim of docs/semantics.md holds, and fails under the mutations that it names."""

import pytest

from lppack.checker.semantics import Rules
from tests.unit.checker.engine_claims import ALL as CLAIMS
from tests.unit.checker.mutations import FAULTS, mutated


@pytest.mark.parametrize("number", CLAIMS)
def test_the_claim_holds(number: str) -> None:
    assert CLAIMS[number].holds(Rules())


def test_every_claim_is_here() -> None:
    assert list(CLAIMS) == [f"C{n}" for n in range(1, 39)]
    assert [c.number for c in CLAIMS.values() if not c.mutations] == ["C30", "C32"]


@pytest.mark.slow
def test_no_claim_survives_its_mutations() -> None:
    survived = [
        f"{claim.number} under {name}"
        for claim in CLAIMS.values()
        for name in claim.mutations
        if claim.holds(mutated(name))
    ]
    assert survived == []


def test_every_mutation_is_caught_by_some_claim() -> None:
    caught = {name for claim in CLAIMS.values() for name in claim.mutations}
    assert caught | {"handler-counts"} == set(FAULTS)  # C38: that it is no fix
