# SPDX-License-Identifier: MIT
"""Rules of lppack's own engine: the kernels and functions that it supports."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lppack import abi
from lppack.consistency import MODES, EngineName, Mode, Switch, engine_for
from lppack.document import Document
from lppack.errors import Level
from lppack.rules.registry import FACTS, PLAN, rule
from lppack.rules.replaced import patched_functions
from lppack.rules.runner import Fault, safe

if TYPE_CHECKING:
    from lppack.kernel.facts import Facts

#: lpe_border_names, lpe_inside_names and lpe_works_names of kmod/engine/stack.c, except functions
#: that the compiler has renamed.
BORDER = frozenset(
    (
        *("exit_to_user_mode_prepare", "exit_to_user_mode_loop", "syscall_exit_to_user_mode"),
        *("irqentry_exit_to_user_mode", "syscall_trace_enter", "syscall_exit_work"),
        *("syscall_exit_to_user_mode_prepare", "task_work_run", "get_signal"),
        *("arch_do_signal_or_restart", "schedule", "__schedule", "schedule_timeout"),
        *("ptrace_stop", "ptrace_notify", "ptrace_do_notify", "do_signal_stop"),
        *("do_jobctl_trap", "do_freezer_trap", "__refrigerator", "irqentry_exit_cond_resched"),
        *("__cond_resched", "preempt_schedule_common", "__traceiter_sys_exit"),
        "trace_syscall_exit",
        *("raw_irqentry_exit_cond_resched", "preempt_schedule_irq"),
    )
)
#: Modes that hold threads at the border.
_HOLDING = frozenset(mode.name.value for mode in MODES if mode.switch is Switch.SWITCH_KERNEL)
#: Only a kernel with CONFIG_PREEMPT_RT has it: kernel/locking/spinlock_rt.c (v6.1).
_RT_LOCK = "rt_spin_lock"
#: The ways out to user space: kernel/entry/common.c (v6.1), and where most of it is inlined (v7.2).
#: `doctor` and the module try each of them (kmod/engine/ways.c).
_WAYS = (
    ("syscall_exit_to_user_mode", "irqentry_exit_to_user_mode"),
    ("do_syscall_64", "exit_to_user_mode_loop", "irqentry_exit", "trace_syscall_exit"),
)
_SERIES = [f"{major}.{minor}" for major, minor in abi.KERNELS_OF_THE_ENGINE]
TRIED = f"{', '.join(_SERIES[:-1])} and {_SERIES[-1]}"
#: Only a kernel with CONFIG_PREEMPTION has it: kernel/sched/core.c (v6.1).
_PREEMPTION = "preempt_schedule"
#: Only a kernel that can preempt lazily has it, as all from 6.13 on: kernel/sched/core.c (v7.2).
_LAZY = "resched_curr_lazy"


@rule(needs=PLAN)
def own_engine_needs_spinning_locks(
    document: Document, mode: Mode, engine: str, facts: "Facts"
) -> Iterator[Fault]:
    """lppack's own engine needs a kernel without CONFIG_PREEMPT_RT.

    With that option a spinlock sleeps (include/linux/spinlock_rt.h), and the engine takes spinlocks
    in a tracepoint and in stops. A stop may also find a thread inside a section that such a lock
    protects. The module refuses such a kernel as well (kmod/engine/support.c). Checked by `plan`.
    """
    if engine_for(mode, engine) == EngineName.CONSISTENCY and facts.copies(_RT_LOCK):
        yield Fault(
            ("kernels",),
            f"{facts.release} has CONFIG_PREEMPT_RT, which lppack_engine.ko does not "
            f"support; mode {mode.name} needs lppack_engine.ko",
            "choose a kernel without it, or use mode hybrid and omit --engine",
        )


@rule(needs=PLAN)
def own_engine_knows_the_border(
    document: Document, mode: Mode, engine: str, facts: "Facts"
) -> Iterator[Fault]:
    """lppack's own engine needs a kernel whose exits to user space it knows.

    By the functions on a stack it sees that a thread has left the kernel (kmod/engine/stack.c).
    From 6.1 to 6.12 the exits are named functions. In 7.2 the exit from an interrupt is part of
    irqentry_exit(), and system call tracing is part of do_syscall_64() (kernel/entry/common.c,
    include/linux/entry-common.h). At an exit that it does not know, the engine would never see
    that a thread leaves. So it accepts only the tested series, and the module tests each exit
    when it is loaded (kmod/engine/ways.c). Checked by `plan`.
    """
    if engine_for(mode, engine) != EngineName.CONSISTENCY:
        return
    # An unknown kernel may use these names in another way, so accept only the tested kernels.
    series = re.match(r"(\d+)\.(\d+)", facts.release)
    tried = series is None or (int(series[1]), int(series[2])) in abi.KERNELS_OF_THE_ENGINE
    named = any(all(facts.copies(name) for name in names) for names in _WAYS)
    if tried and named:
        return
    yield Fault(
        ("kernels",),
        f"mode {mode.name} needs lppack_engine.ko, which supports {TRIED}: in "
        f"{facts.release} the exits to user space "
        + ("may work differently" if named else "have other names"),
        "choose such a kernel, or use mode hybrid and omit --engine; `lppack doctor --kernel REL` "
        "names the exits that the engine does not know",
    )


@rule(needs=PLAN)
def own_engine_was_tried_on_such_a_kernel(
    document: Document, mode: Mode, engine: str, facts: "Facts"
) -> Iterator[Fault]:
    """lppack's own engine needs a kernel with CONFIG_PREEMPTION.

    Without it, ftrace does not wait for threads that are in its calls (ftrace_shutdown(),
    kernel/trace/ftrace.c). CONFIG_PREEMPT_DYNAMIC selects CONFIG_PREEMPTION, whatever is chosen at
    boot. The module refuses other kernels as well (kmod/engine/support.c). Checked by `plan`.
    """
    if engine_for(mode, engine) == EngineName.CONSISTENCY and not facts.copies(_PREEMPTION):
        yield Fault(
            ("kernels",),
            f"{facts.release} has no CONFIG_PREEMPTION; mode {mode.name} needs lppack_engine.ko, "
            "which was not tested on such a kernel",
            "choose another kernel, or use mode hybrid and omit --engine",
        )


@rule(needs=PLAN, level=Level.WARNING)
def kernel_threads_leave_together(
    document: Document, mode: Mode, engine: str, facts: "Facts"
) -> Iterator[Fault]:
    """Busy kernel threads may delay a switch of the whole kernel (warning).

    In modes `kpatch` and `checkpoint`, one stop must find all threads outside of the patched
    functions. The engine holds user threads at the exit to user space, but has no place to hold
    kernel threads. Where kernel code is preempted only at cond_resched(), a stop finds a kernel
    thread at such a place, which is mostly outside. 7.x preempts anywhere (PREEMPT_LAZY,
    kernel/Kconfig.preempt), so a stop finds it where it spends its time. With two kernel threads
    that call the patched functions all the time, on 7.2.12 with two processors, kpatch took up to
    57.7 s, and one transition of nine did not end within 60 s. In mode `refcount` the last visit
    that ends switches the kernel, which took 15.1 s at most. Kernel threads that sleep or work
    elsewhere delay nothing. Checked by `plan`.
    """
    if (
        engine_for(mode, engine) == EngineName.CONSISTENCY
        and mode.switch is Switch.SWITCH_KERNEL
        and not mode.counts
        and facts.copies(_LAZY)
    ):
        yield Fault(
            ("kernels",),
            f"{facts.release} preempts kernel code anywhere: in mode {mode.name}, kernel threads "
            "that are in the patched functions nearly all the time may delay the transition by "
            "half a minute, or until its deadline",
            "if no kernel thread calls them in a loop, ignore this; else use mode refcount, or "
            "hybrid or kgraft, where each thread switches by itself",
        )


@rule(needs=FACTS, level=Level.WARNING)
def held_threads_are_outside(document: Document, facts: "Facts") -> Iterator[Fault]:
    """The patch replaces no function at the border to user space, where threads are held (warning).

    Modes that switch the whole kernel at once hold threads in a task work, on their way out of the
    kernel. task_work_run(), get_signal() and some others are on the stack there. If the patch
    replaces one of them, the thread is inside the patched set, and is not held. The kernel then
    switches only at a moment when no thread is inside.
    """
    asked = {text for _, text in document.strings("needs")} | {document.text("mode") or ""}
    if not asked & {"SWITCH_KERNEL", *_HOLDING}:
        return
    for pointer, object_, old, _ in patched_functions(document):
        if object_ == "vmlinux" and old in BORDER:
            yield Fault(
                pointer,
                f'"{safe(old)}" runs when threads leave the kernel: they cannot be held there, and '
                "under load the transition may not end",
                "if each thread may switch by itself, use mode hybrid or kgraft",
            )
