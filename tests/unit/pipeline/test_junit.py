# SPDX-License-Identifier: MIT
"""Outcomes as JUnit XML."""

from xml.etree import ElementTree

from lppack.pipeline.junit import junit
from lppack.pipeline.pairs import PairState
from tests.unit.pipeline.outcomes import made


def test_junit_has_each_pair() -> None:
    every = [
        made(PairState.BUILT),
        made(PairState.OTHER_KERNEL, 3, name="b", message="not one"),
        made(
            PairState.REFUSED, 3, name="c", rules=("r",), message="bad\nin two lines", hint="write"
        ),
        made(PairState.FAILED, 5, name="d", message="x\x1b[31m", said=("gcc: no",)),
    ]
    [suite] = ElementTree.fromstring(junit(every))
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    found = {case.get("name"): [part.tag for part in case] for case in suite}
    assert found == {"a": [], "b": ["skipped"], "c": ["failure"], "d": ["error"]}
    [failure] = suite[2]
    assert (failure.get("type"), failure.get("message")) == ("r", "bad")
    assert "write" in str(failure.text)
    assert "gcc: no" in str(suite[3][0].text)
