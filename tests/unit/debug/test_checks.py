# SPDX-License-Identifier: MIT
"""The allow-list lets through what it names, and nothing that looks like it."""

from tests.kit.debug_checks import ALLOWED, reported

# kernel/locking/lockdep.c: lockdep_rcu_suspicious() (v6.1).
REPORT = """\
[   30.1] =============================
[   30.1] WARNING: suspicious RCU usage
[   30.1] 6.1.0-debug-amd64 #1 Tainted: G           O
[   30.1] -----------------------------
[   30.1] {where} {what}
[   30.1]
[   30.1] other info that might help us debug this:
"""
LIST = "RCU-list traversed in non-reader section!!"


def test_the_stock_kernels_own_report_is_allowed() -> None:
    assert reported(REPORT.format(where="kernel/trace/ftrace.c:5276", what=LIST)) == ()


def test_the_same_elsewhere_is_not() -> None:
    assert len(reported(REPORT.format(where="kernel/fork.c:1", what=LIST))) == 1
    deref = "suspicious rcu_dereference_check() usage!"
    assert len(reported(REPORT.format(where="kernel/trace/ftrace.c:5276", what=deref))) == 1


def test_every_exception_has_a_reason() -> None:
    assert all("(v6." in allowed.reason for allowed in ALLOWED)
