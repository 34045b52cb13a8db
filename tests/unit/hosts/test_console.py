# SPDX-License-Identifier: MIT
"""Lines are in the form of Linux's sources (files are named in console.py), not of our own runs."""

import pytest

from lppack.hosts import console

FAULTS = (
    "BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "BUG: unable to handle page fault for address: ffffc90000a3fff8",
    "Oops: 0002 [#1] PREEMPT SMP NOPTI",
    "invalid opcode: 0000 [#1] PREEMPT SMP PTI",
    "general protection fault, probably for non-canonical address 0xdead000000000122: 0000 [#1]",
    "Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
    "kernel BUG at mm/slub.c:4201!",
    "Unable to handle kernel paging request at virtual address ffff800080000000",
    "traps: PANIC: double fault, error_code: 0x0",
    "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b",
    "WARNING: CPU: 1 PID: 312 at kernel/livepatch/core.c:1031 klp_enable_patch+0x1f0/0x7a0",
    "WARNING: kernel/livepatch/core.c:1031 at klp_enable_patch+0x1f0/0x7a0, CPU#1: insmod/312",
    "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [insmod:312]",
    "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1",
    "watchdog: CPU3: Watchdog detected hard LOCKUP on cpu 3",
    "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "rcu: INFO: rcu_preempt self-detected stall on CPU",
    "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-... } 21 jiffies",
    "INFO: rcu_tasks detected stalls on tasks:",
    "rcu: rcu_preempt kthread starved for 5252 jiffies! g3061 f0x0 RCU_GP_WAIT_FQS(5)",
    "INFO: task kworker/0:1:12 blocked for more than 120 seconds.",
    "INFO: task sh:12 blocked on a mutex likely owned by task cat:13 for more than 120 seconds.",
    "BUG: scheduling while atomic: insmod/312/0x00000002",
    "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580",
    "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!",
    "BUG: Bad page state in process insmod  pfn:1234",
    "BUG kmalloc-64 (Not tainted): Poison overwritten",
    "BUG: KASAN: slab-use-after-free in proc_pid_status+0x12/0x40",
    "UBSAN: array-index-out-of-bounds in fs/open.c:12:3",
    "WARNING: possible circular locking dependency detected",
    "WARNING: possible recursive locking detected",
    "WARNING: inconsistent lock state",
    "WARNING: suspicious RCU usage",
    "INFO: trying to register non-static key.",
)

HARMLESS = (
    "Command line: console=ttyS0 panic=-1 oops=panic softlockup_panic=1",
    "Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org) (gcc-12)",
    "rcu: RCU event tracing is enabled.",
    "rcu: \tRCU restricting CPUs from NR_CPUS=8192 to nr_cpu_ids=2.",
    "ACPI BIOS Error (bug): Could not resolve symbol [\\_SB.PCI0], AE_NOT_FOUND",
    "[Firmware Bug]: TSC ADJUST: CPU0: -42 force to 0",
    "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on!",
    "clocksource: timekeeping watchdog on CPU0: Marking clocksource 'tsc' as unstable",
    "NMI watchdog: Perf NMI watchdog permanently disabled",
    "it is possible that this is fine",
    "DEBUG: all is well",
    "traps: a.out[312] general protection fault ip:401122 sp:7ffd in a.out[401000+1000]",
    "a.out[312]: segfault at 0 ip 0000000000401122 sp 00007ffd error 4 in a.out[401000+1000]",
    "livepatch: enabling patch 'lp_demo'",
    "lp_demo: loading out-of-tree module taints kernel.",
    "kasan: KernelAddressSanitizer initialized",
    "Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
    "---[ end trace 0000000000000000 ]---",
    "pci 0000:00:02.0: BAR 0: [mem 0xfebf0000-0xfebf0fff]",
)


@pytest.mark.parametrize("line", FAULTS)
def test_fault_is_found(line: str) -> None:
    for stamp in ("", "[   12.345678] ", "[   12.345678][  T312] "):
        (found,) = console.faults(f"{stamp}booting\r\n{stamp}{line}\r\n{stamp}after\r\n")
        assert line in found


@pytest.mark.parametrize("line", HARMLESS)
def test_harmless_line_is_not_a_fault(line: str) -> None:
    assert console.faults(f"[    0.123456] {line}\r\n") == ()


def test_fault_comes_with_the_lines_around_it() -> None:
    lines = [f"line {number}" for number in range(40)]
    lines[20] = "kernel BUG at mm/slub.c:4201!"
    (found,) = console.faults("\n".join(lines))
    assert found.split("\n") == lines[19:29]


def test_lines_of_one_report_are_one_fault() -> None:
    text = "\n".join(
        (
            "BUG: kernel NULL pointer dereference, address: 0000000000000008",
            "#PF: supervisor write access in kernel mode",
            "#PF: error_code(0x0002) - not-present page",
            "Oops: 0002 [#1] PREEMPT SMP NOPTI",
        )
    )
    assert len(console.faults(text)) == 1


def test_end_of_a_panic_is_not_a_second_fault() -> None:
    panic = "Kernel panic - not syncing: sysrq triggered crash"
    text = "\n".join([panic, *(["trace"] * 30), f"---[ end {panic} ]---"])
    assert len(console.faults(text)) == 1


def test_two_faults_far_apart_are_two() -> None:
    fault = "WARNING: CPU: 1 PID: 312 at lib/refcount.c:28 refcount_warn_saturate+0x1/0x2"
    assert len(console.faults("\n".join([fault, *(["all quiet"] * 20), fault]))) == 2


def test_nothing_said_is_no_fault() -> None:
    assert console.faults("") == ()


def test_tail_is_the_last_lines_indented() -> None:
    assert console.tail("a\r\nb\r\nc\r\n", lines=2) == "  b\n  c"
