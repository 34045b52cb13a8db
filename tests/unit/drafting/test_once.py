# SPDX-License-Identifier: MIT
"""What macros keep in functions, of which a patch would have a second copy."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from lppack.csource.changes import compare
from lppack.csource.parse import parse
from lppack.drafting.once import again
from lppack.drafting.places import Target
from lppack.proof.affected import Affected
from lppack.proof.objects import Data
from lppack.proof.prover import Comparison
from tests.unit.drafting.code import difference, function, variable

PATH = "fs/small.c"
PLAIN = "static int helper(int x)\n{\n\treturn x;\n}\n"
HAD: list[Data] = [
    *map(variable, ("___done#0", "___once_key#0", "__already_done#0", "_rs#1", "calls#0", "all")),
    replace(variable("const#0"), writable=False),
]
ONCE = ("___done#0", "___once_key#0")


def told(
    uses: Sequence[str], text: str = PLAIN, by: str = "helper", of: str = "helper"
) -> list[str]:
    changes = compare(parse(PATH, text), parse(PATH, text))
    calls = uses if by == of else [by]
    now = [function(of, *calls), function(by, *uses), function("show", *ONCE)]
    unit = difference(
        [function(of), function("show", *ONCE), *HAD], [*now, *HAD, variable("___done#new1")]
    )
    comparison = Comparison(
        affected=Affected(paths=(PATH,), names=()),
        units=(unit, replace(unit, after=None)),
        not_built=(),
        built_apart=(),
        too_many=False,
    )
    target = Target(name=of, path=PATH, object="vmlinux", sympos=None, covers=(of,))
    return [
        *again(
            comparison,
            [target, replace(target, path="fs/other.c", name="show")],
            {PATH: changes}.get,
        )
    ]


def test_what_was_done_once_would_be_done_again() -> None:
    [doubt] = told(ONCE)
    assert doubt.startswith(f"helper of {PATH} has static data by a macro (___done, ___once_key): ")
    [doubt] = told(ONCE, by="other.part.0")
    assert doubt.startswith(f"other.part.0 of {PATH} has")
    [doubt] = told(ONCE, by="helper.cold")
    assert "helper.cold" in doubt


@pytest.mark.parametrize(
    ("uses", "text"),
    [
        ((), PLAIN),
        (("___done#new1",), PLAIN),  # the new function's own
        (("const#0",), PLAIN),  # nothing writes to it
        (("all",), PLAIN),  # the kernel's own, which the patch uses
        (("__already_done#0", "_rs#1"), PLAIN),  # whether a message was written
        (("calls#0",), PLAIN.replace("return x;", "static int calls;\n\treturn x + calls++;")),
    ],
)
def test_nothing_else_is_told(uses: Sequence[str], text: str) -> None:
    assert told(uses, text) == []


def test_a_function_that_the_patch_calls_in_the_kernel_keeps_its_own() -> None:
    assert told(ONCE, by="there") == []
