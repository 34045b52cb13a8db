# SPDX-License-Identifier: MIT
"""Where the kernel has what an object does not have: said before any guess at what was meant."""

from dataclasses import replace
from typing import Any

import pytest

from lppack.rules.kernel import function_exists
from lppack.rules.symbols import symbol_exists
from tests.kit.fake_facts import FakeFacts, symbol
from tests.kit.samples import document, full


def variable(name: str) -> Any:
    return replace(symbol(name, traceable=False), type="d")


#: fake_facts has it that loop depends on base.
FACTS = FakeFacts(
    {
        "vmlinux": [symbol("cmdline_proc_show"), symbol("lo_list"), variable("lo_count")],
        "loop": [symbol("lo_open"), variable("lo_number"), symbol("lo_find")],
        "base": [symbol("base_get"), variable("base_state")],
        "other": [symbol("other_get")],
        "nr": [variable("nr_loop")],
    }
)


def entry(name: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, **keys}


def hint_of(function: str, object_: str) -> str | None:
    functions = [{"old": function, "new": "lp_x"}]
    data = full(objects=[entry(object_, functions=functions)])
    [fault] = function_exists(document(data), FACTS)
    return fault.hint


def hint_of_symbol(name: str, object_: str, *others: str) -> str | None:
    objects = [entry(object_, symbols=[name]), *map(entry, others)]
    [fault] = symbol_exists(document(full(objects=objects)), FACTS)
    return fault.hint


@pytest.mark.parametrize(
    ("function", "object_", "hint"),
    [
        ("lo_open", "vmlinux", "it is in module loop: list it under an object of that name"),
        ("cmdline_proc_show", "loop", "it is in vmlinux: list it under the object vmlinux"),
        ("other_get", "loop", "it is in module other: list it under an object of that name"),
        ("cmdline_show", "vmlinux", 'did you mean "cmdline_proc_show"?'),
        ("quite_another", "vmlinux", "it may be inlined into its callers: patch them"),
    ],
)
def test_a_function(function: str, object_: str, hint: str) -> None:
    assert hint_of(function, object_) == hint


@pytest.mark.parametrize(
    ("name", "objects", "hint"),
    [
        ("base_get", ["loop"], "write {name: base_get, module: base}"),
        ("base_state", ["loop"], "write {name: base_state, module: base}"),
        ("lo_number", ["vmlinux", "loop"], "it is in module loop: list it under an object"),
        ("lo_count", ["loop"], "it is in vmlinux: list it under the object vmlinux"),
        ("other_get", ["loop"], "it is in module other: list it under an object"),
        ("lo_number", ["vmlinux"], "it is in module loop: list it under an object of that name"),
        ("nr_loops", ["nr"], 'did you mean "nr_loop"?'),
    ],
)
def test_a_symbol(name: str, objects: list[str], hint: str) -> None:
    assert (hint_of_symbol(name, *objects) or "").startswith(hint)
