# SPDX-License-Identifier: MIT
from pathlib import Path

from tests.unit.checker.engine_claims import ALL as CLAIMS
from tools import claims_page


def test_each_claim_is_shown_by_a_kernel_or_says_why_not() -> None:
    claims = {claim for claim, _ in claims_page.shown()}
    assert claims.isdisjoint(claims_page.NOT_SHOWN)
    assert claims | set(claims_page.NOT_SHOWN) == set(CLAIMS)


def test_the_page_is_current() -> None:
    assert claims_page.differences() == [], "run: python -m tools.claims_page --update"


def test_a_page_that_is_old_is_seen(tmp_path: Path) -> None:
    old = tmp_path / "claims.md"
    old.write_text(claims_page.page().replace("| C7 |", "| C6 |"))
    assert any(line.startswith("+| C7 |") for line in claims_page.differences(old))
