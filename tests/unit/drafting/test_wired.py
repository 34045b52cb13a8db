# SPDX-License-Identifier: MIT
"""What is wired into a module's own code, in the code of a patch."""

import pytest

from lppack.csource.changes import compare
from lppack.csource.parse import parse
from lppack.drafting.extract import extract
from lppack.drafting.headers import Private
from lppack.drafting.places import Places
from lppack.drafting.text import c_text
from lppack.drafting.wired import Wired, wired_of
from lppack.kernel.exports import Export
from tests.kit.fake_facts import FakeFacts, symbol
from tests.unit.drafting.code import file_of, function, variable

FILE = """\
static DEFINE_STATIC_KEY_FALSE(loud);
static int show(int x)
{
	trace_mine(x, 1);
	trace_empty();
	trace_theirs(x);
	trace_kernels(x);
	if (trace_mine_enabled() && static_branch_unlikely(&loud))
		__module_get(THIS_MODULE);
	return x;
}
"""
MINE = ("show", "loud", "__tracepoint_mine", "__traceiter_mine", "__tracepoint_empty")


class Traced(FakeFacts):
    """The module tiny, which depends on base, which exports a tracepoint."""

    def __init__(self, object_: str) -> None:
        super().__init__({"vmlinux": [], "tiny": [], "base": []})
        self.objects[object_] += [symbol(name) for name in MINE]

    def depends(self, module: object) -> frozenset[str]:
        return frozenset(["base"])

    def exported(self, name: str) -> Export | None:
        module = "base" if name.endswith("_theirs") else None
        known = name.endswith(("_theirs", "_kernels"))
        return Export(name=name, gpl=True, module=module, namespace=None) if known else None


def drafted(object_: str) -> tuple[Wired, str]:
    changes = compare(
        parse("tiny.c", FILE), parse("tiny.c", FILE.replace("return x", "return x + 1"))
    )
    places = Places(Traced(object_), object_, file_of(function("show"), variable("loud")))
    made = extract(changes, {"show": "lp_show"}, places, {})
    wired = wired_of(made, places)
    return wired, c_text(made, "/* */", Private(made, lambda _path: None), wired)


def test_of_a_module() -> None:
    wired, text = drafted("tiny")
    assert '#include "lppack.h"' in text
    for line in (
        "lp_trace(mine, x, 1);",
        "lp_trace(empty);",
        "lp_trace(theirs, x);",
        "trace_kernels(x);",
        "if (lp_key_enabled(__tracepoint_mine.key) && lp_key_enabled(loud))",
        "__module_get(lp_module_tiny());",
    ):
        assert f"\t{line}\n" in text
    assert wired.symbols == {
        "__tracepoint_mine": {},
        "__traceiter_mine": {},
        "__tracepoint_empty": {},
        "__traceiter_empty": {},
        "__tracepoint_theirs": {"module": "base"},
        "__traceiter_theirs": {"module": "base"},
    }


def test_of_vmlinux_it_is_as_it_was() -> None:
    wired, text = drafted("vmlinux")
    assert not wired.symbols and not wired.needs_lppack_h
    assert "trace_mine(x, 1);" in text and "static_branch_unlikely(&loud)" in text
    assert "__module_get(NULL);" in text


@pytest.mark.parametrize("object_", ["tiny", "vmlinux"])
def test_the_key_is_the_kernels(object_: str) -> None:
    assert "extern struct static_key_false loud;" in drafted(object_)[1]
