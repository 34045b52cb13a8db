# SPDX-License-Identifier: MIT
"""Outcomes as JUnit XML."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

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


@pytest.mark.parametrize("c", ["\0", "\x1b", "\udce9", "\ufffe", "\uffff", "\ud800"])
def test_what_xml_cannot_hold_is_replaced_wherever_it_stands(c: str) -> None:
    """A file's name may be any bytes, and so may what a compiler says."""
    one = made(PairState.FAILED, 5, name=f"a{c}b", message=f"m{c}n", hint=f"h{c}", rules=(f"r{c}",))
    [suite] = ElementTree.fromstring(junit([replace(one, kernel=f"k{c}", said=(f"s{c}",))]))
    [case] = suite
    [why] = case
    assert (suite.get("name"), case.get("name")) == ("k\ufffd", "a\ufffdb")
    assert case.get("classname") == "lppack.build.k\ufffd"
    assert (why.get("message"), why.get("type")) == ("m\ufffdn", "r\ufffd")
    assert str(why.text).split("\n") == ["m\ufffdn", "h\ufffd", "s\ufffd"]


def test_what_xml_can_hold_stays() -> None:
    text = "\t\x20\x7f\ud7ff\ue000\ufffd\U00010000\U0010ffff<&\"'"
    [suite] = ElementTree.fromstring(junit([made(PairState.FAILED, 5, name="a", message=text)]))
    assert suite[0][0].text == text
