# SPDX-License-Identifier: MIT
"""What a C file registers."""

import pytest

from lppack.csource.parse import parse
from lppack.drafting.registered import invoked, section_of


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("__ksymtab_show", "an export"),
        ("___ksymtab_gpl+show", "an export"),
        (".initcall6.init", "an initcall"),
        ("__param_limit", "a module parameter"),
        ("__param", "a module parameter"),
        ("__setup_str_x", "a boot parameter"),
        ("__tracepoint_x", "a tracepoint"),
        (".rodata", None),
        ("limit", None),
    ],
)
def test_sections_of_kbuilds_own(name: str, what: str | None) -> None:
    found = section_of(name)
    assert (found[0] if found else None) == what
    assert found is None or found[1]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("EXPORT_SYMBOL_GPL(show);", "an export"),
        ("late_initcall_sync(show);", "an initcall"),
        ("builtin_platform_driver(tiny);", "an initcall"),
        ('early_param("x", show);', "a boot parameter"),
        ("NOKPROBE_SYMBOL(show);", "an address that kprobes refuse"),
        ("ALLOW_ERROR_INJECTION(show, ERRNO);", "a function that may be made to fail"),
        ("STRANGE(show);", ""),
    ],
)
def test_what_a_macro_at_the_top_level_registers(text: str, what: str) -> None:
    [item] = parse("fs/small.c", text).items
    assert invoked(item) == what
