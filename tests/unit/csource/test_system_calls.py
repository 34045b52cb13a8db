# SPDX-License-Identifier: MIT
"""System calls are read as the functions that the preprocessor makes of them."""

import pytest

from lppack.csource.system_calls import with_system_calls


@pytest.mark.parametrize(
    ("text", "head", "entries"),
    [
        (
            "SYSCALL_DEFINE2(dup, int, a, char __user *, b)\n{\n}\n",
            "static long __do_sys_dup(int a, char __user *b)\n",
            ["__x64_sys_dup", "__ia32_sys_dup"],
        ),
        (
            "COMPAT_SYSCALL_DEFINE1(dup, int, a)\n{\n}\n",
            "static long __do_compat_sys_dup(int a)\n",
            ["__x64_compat_sys_dup", "__ia32_compat_sys_dup"],
        ),
        (
            "SYSCALL_DEFINE0(getppid)\n{\n}\n",
            "static long __do_sys_getppid(const struct pt_regs *__unused)\n",
            [],  # they are other names of the same function
        ),
        (
            "BPF_CALL_0(now)\n{\n}\n",
            "static __always_inline u64 ____now(void)\n",
            ["now"],
        ),
    ],
)
def test_what_is_made_of_them(text: str, head: str, entries: list[str]) -> None:
    made, shifts = with_system_calls(text)
    assert made.startswith(head + "{\n}\n")
    assert [name for name in entries if f" {name}(" not in made] == []
    assert made.count("{") == 1 + len(entries)
    assert shifts == [(len(head) - 1, 0)]
