# SPDX-License-Identifier: MIT
"""The result of a build of many pairs as JUnit XML, which CI services show."""

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from lppack import store
from lppack.pipeline.pairs import Outcome, PairState

#: Characters that XML 1.0 forbids, even as character references (2.2). A surrogate stands for a
#: byte of a file's name that is not UTF-8.
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(outcomes: Sequence[Outcome], file: Path) -> None:
    """Replace ``file``, whole or not at all."""
    store.write_atomic(file, junit(outcomes))


def junit(outcomes: Sequence[Outcome]) -> bytes:
    """Return a test suite for each kernel, a test case for each patch."""
    top = ElementTree.Element("testsuites", name="lppack build")
    for kernel in dict.fromkeys(one.kernel for one in outcomes):
        of = [one for one in outcomes if one.kernel == kernel]
        suite = ElementTree.SubElement(
            top,
            "testsuite",
            name=kernel,
            tests=str(len(of)),
            failures=str(sum(one.state in (PairState.REFUSED, PairState.NOT_PROVED) for one in of)),
            errors=str(sum(one.state is PairState.FAILED for one in of)),
            skipped=str(sum(one.state is PairState.OTHER_KERNEL for one in of)),
            time=f"{sum(one.seconds for one in of):.2f}",
        )
        for one in of:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                name=str(one.pair.patch),
                classname=f"lppack.build.{kernel}",
                time=f"{one.seconds:.2f}",
            )
            _why(case, one)
    for element in top.iter():
        element.attrib.update({key: _clean(text) for key, text in element.items()})
        element.text = _clean(element.text or "") or None
    ElementTree.indent(top)
    return bytes(ElementTree.tostring(top, encoding="utf-8", xml_declaration=True)) + b"\n"


def _why(case: ElementTree.Element, one: Outcome) -> None:
    if one.state in (PairState.BUILT, PairState.CACHED):
        return
    tag = {PairState.OTHER_KERNEL: "skipped", PairState.FAILED: "error"}.get(one.state, "failure")
    why = ElementTree.SubElement(case, tag, message=one.message.partition("\n")[0])
    if tag != "skipped":
        why.set("type", ", ".join(one.rules) or one.state.value)
        why.text = "\n".join([one.message, *([one.hint] if one.hint else []), *one.said])


def _clean(text: str) -> str:
    return _NO_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text)
