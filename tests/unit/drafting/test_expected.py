# SPDX-License-Identifier: MIT
"""The symbols that a patch is going to need are read from the object code."""

from collections.abc import Sequence
from dataclasses import replace

from lppack.drafting.expected import expected
from lppack.drafting.places import Places, Target
from lppack.proof.objects import Data, Function
from tests.kit.fake_facts import FakeFacts, symbol
from tests.unit.drafting.code import difference, file_of, function, variable

NEW = b"\x90\x90"
SYMBOLS = [symbol(name) for name in ("show", "helper", "limit", "count", "of_show", "of_other")]
SEVERAL = [symbol("twice", position) for position in (1, 2)]


def found(
    before: Sequence[Function | Data],
    after: Sequence[Function | Data],
    object_: str = "vmlinux",
    **objects: list[str],
) -> frozenset[str]:
    facts = FakeFacts(
        {"vmlinux": [*SYMBOLS, *SEVERAL]}
        | {name: [symbol(one) for one in names] for name, names in objects.items()}
    )
    unit = difference(before, after, object_)
    place = Places(facts, object_, file_of(*before))
    target = Target(
        name="show", path=unit.unit.path, object=object_, sympos=None, covers=("show", "inner")
    )
    return expected([unit], [target], {(unit.unit.path, object_): place})


def test_what_is_elsewhere_and_not_exported() -> None:
    before = [function("show"), function("other", "of_other")]
    after = [function("show", "limit", "_printk", code=NEW), function("other", "of_other")]
    assert found(before, after) == {"limit"}


def test_functions_and_static_variables_of_the_file_itself_are_found_by_their_text() -> None:
    own = (function("helper", "of_other"), variable("count"))
    after = function("show", "helper", "count", code=NEW)
    assert found([function("show"), *own], [after, *own]) == set()


def test_a_global_variable_of_the_file_may_be_used_by_a_header_alone() -> None:
    count = replace(variable("count"), static=False)
    assert found([function("show"), count], [function("show", "count", code=NEW), count]) == {
        "count"
    }


def test_what_copies_need() -> None:
    before = [function("show"), function("inner.isra.0", "limit"), function("helper", "of_other")]
    after = [function("show", "inner.isra.0", "fresh", code=NEW), *before[1:]]
    assert found(before, [*after, function("fresh", "of_show", "fresh")]) == {"limit", "of_show"}


def test_what_has_no_symbol_or_no_certain_one_is_left_to_the_compiler() -> None:
    after = [function("show", "nothing", "twice", "a.b", code=NEW)]
    assert found([function("show")], after) == set()


def test_a_module_has_its_own_symbols() -> None:
    after = [function("show", "mine", "limit", "lent", code=NEW)]
    own = {"loop": ["show", "mine"], "base": ["lent"]}
    assert found([function("show")], after, "loop", **own) == {"mine", "limit"}
