# SPDX-License-Identifier: MIT
"""Which C files are compiled as code of vmlinux is."""

import pytest

from lppack.pipeline.prove import _built_in

UNDEF = "#undef MODULE /* built in */\n"
FIRST = "#include <linux/static_call_types.h>\n"
OTHER = "#include <linux/proc_fs.h>\n"
BODY = "int lp_f(void)\n{\n}\n"


@pytest.mark.parametrize(
    ("sources", "built_in"),
    [
        ([UNDEF + OTHER + BODY], True),
        ([FIRST + UNDEF + OTHER + BODY], True),
        ([OTHER + BODY], False),
        ([OTHER + UNDEF + BODY], False),  # too late for that header
        ([UNDEF + OTHER, OTHER + BODY], False),  # in another file
        ([OTHER, UNDEF + OTHER + BODY], True),
    ],
)
def test_module_is_undefined_before_any_header(sources: list[str], built_in: bool) -> None:
    assert _built_in("lp_f", sources) == built_in
