# SPDX-License-Identifier: MIT
"""docs/generated.md answers for each function that is generated; and what leads back needs no
memory."""

import re

import pytest

from lppack.csource.tokens import CFunction, read_c
from tests.kit.command import ROOT

FILES = ("lp_glue.c", "lp_series.c", "lp_convert.c", "lp_unload.c", "lp_world.c")
GOLDEN = ROOT / "tests/golden"


def functions(golden: str) -> dict[str, CFunction]:
    found: dict[str, CFunction] = {}
    for name in FILES:
        path = GOLDEN / golden / name
        if path.exists():
            found |= {
                function.name: function for function in read_c(path.read_text(), name).functions
            }
    return found


def general(name: str) -> str:
    """With T, V, N and M instead of the names of one patch."""
    name = re.sub(r"conn_ext(_v)\d", r"V\1N", name)
    name = name.replace("conn_ext", "V")
    letter = "M" if re.search(r"(patch|set_target|module)_(conn|ledger)$", name) else "T"
    return re.sub(r"_(conn|ledger|account)$", f"_{letter}", name)


def documented() -> dict[str, list[str]]:
    page = (ROOT / "docs/generated.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.MULTILINE)
    return {name: cells.split(" | ") for name, cells in rows}


@pytest.mark.parametrize("golden", sorted(path.name for path in GOLDEN.iterdir() if path.is_dir()))
def test_every_function_has_its_answers(golden: str) -> None:
    missing = {general(name) for name in functions(golden)} - documented().keys()
    assert not missing


def test_every_answer_is_given_and_of_a_function_that_there_is() -> None:
    generated = {general(name) for golden in GOLDEN.iterdir() for name in functions(golden.name)}
    # Those that need a constructor, a state of the author's, or hooks of a module.
    generated |= {"lp_construct_V", "lp_state", "lp_post_patch_M"}
    # Those of lp_slots.c.
    generated |= {"lp_slots_fill_M", "lp_slots_clear_M", "lp_slots_done_M"}
    # Those of lp_count.c.
    generated |= {"lp_count_NEW"}
    rows = {name: cells for name, cells in documented().items() if name.startswith(("lp_", "V_"))}
    locks = {"lp_phase_lock", "lp_unload_lock", "lp_trackings_lock"}
    assert rows.keys() - locks == generated
    assert all(len(cells) == 4 and all(cells) for name, cells in rows.items() if name not in locks)


#: What takes memory, or may wait for it.
_ALLOCATES = re.compile(r"(\w*alloc\w*|kstrdup|kmemdup|lp_tracked_new|lp_tracking_new)$")


def reached(golden: str, start: str) -> set[str]:
    """Everything that is called on the way from a function, in generated code."""
    found: set[str] = set()
    known, todo = functions(golden), [start]
    while todo:
        for token in known[todo.pop()].called:
            if token.text not in found:
                found.add(token.text)
                todo += [token.text] if token.text in known else []
    return found


@pytest.mark.parametrize("golden", ["conn-limit", "conn-limit-2"])
@pytest.mark.parametrize(
    "start", ["lp_convert_stop", "lp_pre_unpatch", "lp_forget_conn", "lp_exit"]
)
def test_the_way_back_needs_no_memory(golden: str, start: str) -> None:
    assert [name for name in reached(golden, start) if _ALLOCATES.match(name)] == []


def test_the_way_forward_does_and_is_seen_to() -> None:
    assert {"lp_tracked_new", "kmalloc"} <= reached("conn-limit", "lp_convert_conn")
