# SPDX-License-Identifier: MIT
"""Find reports of faults on a kernel's console."""

import re

# Each pattern names the file of Linux that prints it (v6.1 to v6.12).
_PATTERNS = (
    # arch/x86/mm/fault.c: show_fault_oops() "BUG: kernel NULL pointer dereference",
    # "BUG: unable to handle page fault"; kernel/watchdog.c: watchdog_timer_fn() "BUG: soft lockup";
    # kernel/workqueue.c: show_pwq() "BUG: workqueue lockup"; kernel/sched/core.c: __schedule_bug()
    # "BUG: scheduling while atomic", __might_resched() "BUG: sleeping function called from ...";
    # mm/page_alloc.c: bad_page() "BUG: Bad page state"; mm/kasan/report.c "BUG: KASAN: ";
    # kernel/locking/spinlock_debug.c: spin_dump() "BUG: spinlock ..."; mm/slub.c "BUG kmalloc-...".
    r"\bBUG: ",
    r"\bBUG [\w-]+ \((Not tainted|Tainted)",
    # lib/bug.c: __report_bug()
    r"\bkernel BUG at ",
    # arch/x86/kernel/dumpstack.c: __die_header() "%s: %04lx [#%d]": every oops.
    r": [0-9a-f]{4} \[#\d+\]",
    # arch/x86/kernel/traps.c: exc_general_protection() but not show_signal(), which has "ip:" and
    # reports a program.
    r"\bgeneral protection fault(?!.* ip:)",
    # arch/arm64/mm/fault.c: die_kernel_fault() "Unable to handle kernel ..."
    r"\b[Uu]nable to handle (kernel|page fault)",
    # arch/x86/kernel/traps.c: exc_double_fault(), handle_stack_overflow()
    r"\bPANIC: double fault\b",
    # kernel/panic.c: panic(), except its last line
    r"(?<!end )Kernel panic - not syncing",
    # kernel/panic.c: __warn() "WARNING: CPU: %d PID: %d at ...", later "WARNING: ..., CPU#%d: ..."
    r"\bWARNING: CPU: \d+ PID: \d+",
    r"\bWARNING: .* at .*, CPU#\d+: ",
    # kernel/watchdog_hld.c, since v6.5 kernel/watchdog.c: watchdog_hardlockup_check()
    r"\bdetected hard LOCKUP on cpu ",
    # kernel/rcu/tree_stall.h: print_other_cpu_stall(), print_cpu_stall(); kernel/rcu/tree_exp.h:
    # synchronize_rcu_expedited_wait(); kernel/rcu/tasks.h: check_holdout_task() and others
    r"\bINFO: rcu_\w+ (self-)?detected (expedited )?stalls? on ",
    # kernel/rcu/tree_stall.h: rcu_check_gp_kthread_starvation()
    r"\brcu_\w+ kthread starved for ",
    # kernel/hung_task.c: check_hung_task()
    r"\bINFO: task .*:\d+ blocked (?:.* )?for more than ",
    # kernel/locking/lockdep.c: print_circular_bug_header(), print_deadlock_bug(),
    # print_irq_inversion_bug(), print_usage_bug(), print_unlock_imbalance_bug(),
    # lockdep_rcu_suspicious(), print_freed_lock_bug(), register_lock_class()
    r"\bWARNING: (possible (circular|recursive|irq lock inversion|unsafe)|inconsistent lock state"
    r"|bad unlock balance|bad contention|suspicious RCU usage|held lock freed|SOFTIRQ-|HARDIRQ-"
    r"|lock held when returning|Nested lock was not taken)",
    r"\bINFO: trying to register non-static key",
    # mm/kasan/report.c, mm/kfence/report.c, kernel/kcsan/report.c: mostly "BUG: "; lib/ubsan.c
    r"\b(KASAN|KCSAN|KFENCE): [\w-]+ (in|access|error|free)\b",
    r"\bUBSAN: [\w-]+ in ",
)
_FAULT = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS))
_BEFORE, _AFTER = 1, 8


def faults(text: str) -> tuple[str, ...]:
    """Find where in ``text`` the kernel reports a fault, each with the lines around it.

    A report has several such lines; lines that are close together count as one fault.
    """
    lines = text.replace("\r", "").split("\n")
    spans: list[tuple[int, int]] = []
    for number, line in enumerate(lines):
        if not _FAULT.search(line):
            continue
        if spans and number < spans[-1][1]:
            continue
        start = max(number - _BEFORE, spans[-1][1] if spans else 0)
        spans.append((start, number + 1 + _AFTER))
    return tuple("\n".join(lines[start:end]).strip("\n") for start, end in spans)


def tail(text: str, *, lines: int = 15) -> str:
    """Return the last lines, indented for a message."""
    last = text.replace("\r", "").rstrip().split("\n")[-lines:]
    return "\n".join(f"  {line}" for line in last)
