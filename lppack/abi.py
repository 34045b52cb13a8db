# SPDX-License-Identifier: MIT
"""Kernel facts, each with its source; no other file contains such a literal."""

from enum import StrEnum

# Documentation/ABI/testing/sysfs-kernel-livepatch (v6.1).
LIVEPATCH = "/sys/kernel/livepatch"
# include/linux/moduleparam.h: parameters of a loaded module (v6.1).
MODULES = "/sys/module"
# kernel/module/procfs.c: the list of modules; add_unformed_module() (kernel/module/main.c) puts the
# newest first (v6.1).
MODULE_LIST = "/proc/modules"
# kernel/sysctl.c: ftrace_enabled (v6.1); klp needs it on: livepatch.rst section 7.
FTRACE_ENABLED = "/proc/sys/kernel/ftrace_enabled"
# kernel/module/main.c: modules_disabled; only a reboot clears it (v6.1).
MODULES_DISABLED = "/proc/sys/kernel/modules_disabled"
# fs/proc/uptime.c: seconds since boot; close enough to the clock of the kernel's log (v6.1).
UPTIME = "/proc/uptime"
# drivers/char/random.c: proc_do_uuid(); each boot has a new id (v6.1).
BOOT_ID = "/proc/sys/kernel/random/boot_id"
# fs/proc/cmdline.c (v6.1).
COMMAND_LINE = "/proc/cmdline"
# kernel/sched/debug.c: sched_dynamic_show(), the model in brackets; debugfs, for root (v6.12).
PREEMPTION = "/sys/kernel/debug/sched/preempt"
OSRELEASE = "/proc/sys/kernel/osrelease"
# init/version.c: uts_namespace; what uname -v prints (v6.1).
VERSION = "/proc/sys/kernel/version"

# include/linux/moduleparam.h: MAX_PARAM_PREFIX_LEN and MODULE_NAME_LEN are 64 - 8 on 64 bit.
MODULE_NAME_MAX = 55
# include/linux/kallsyms.h: KSYM_NAME_LEN is 512, 128 before 6.1.
SYMBOL_NAME_MAX = 127

# kernel/livepatch/transition.c: klp_force_transition(); patch->forced itself cannot be read (v6.1).
FORCED = "livepatch: forcing remaining tasks to the patched state"

# include/linux/errno.h and the uapi headers: errors that the parameter `convert` returns.
EBUSY = 16

# fs/proc/base.c: proc_pid_patch_state(); -1 (KLP_UNDEFINED): no transition (v6.1).
PATCH_STATE_NONE = -1

#: Configuration that livepatch requires (kernel/livepatch/Kconfig).
LIVEPATCH_CONFIG = ("LIVEPATCH", "MODULES", "SYSFS", "KALLSYMS_ALL", "DYNAMIC_FTRACE")
#: livepatch also requires one of these.
LIVEPATCH_FTRACE = ("DYNAMIC_FTRACE_WITH_REGS", "DYNAMIC_FTRACE_WITH_ARGS")
# include/linux/livepatch.h: klp_have_reliable_stack() (v6.1).
RELIABLE_STACKS = ("STACKTRACE", "HAVE_RELIABLE_STACKTRACE")
# Since commit 73727f4dafa7 ("livepatch: Basic API to track system state changes") (in v5.5).
OLDEST_KERNEL = (5, 5)
# kmod/engine/support.c: the kernel series on which lppack's own engine was tested.
KERNELS_OF_THE_ENGINE = ((6, 1), (6, 12), (7, 2), (7, 3))
#: Those where all its modes were tested under all loads, so that `--engine auto` may choose it.
KERNELS_BY_AUTO = ("6.1.", "6.12.")
#: Functions that some thread never leaves: main functions of kernel threads, and the functions in
#: which they sleep (v6.1).
NEVER_LEFT = {
    "kthread": "kernel/kthread.c",
    "kthreadd": "kernel/kthread.c",
    "kthread_worker_fn": "kernel/kthread.c",
    "worker_thread": "kernel/workqueue.c",
    "rescuer_thread": "kernel/workqueue.c",
    "smpboot_thread_fn": "kernel/smpboot.c",
    "rcu_gp_kthread": "kernel/rcu/tree.c",
    "kswapd": "mm/vmscan.c",
    "kcompactd": "mm/compaction.c",
    "khugepaged": "mm/khugepaged.c",
    "oom_reaper": "mm/oom_kill.c",
    "kauditd_thread": "kernel/audit.c",
    "devtmpfsd": "drivers/base/devtmpfs.c",
    "irq_thread": "kernel/irq/manage.c",
    "schedule": "kernel/sched/core.c",
    "schedule_timeout": "kernel/time/timer.c",
}
#: Functions in which some thread of every machine sleeps for a long time; a signal wakes it (v6.1).
SLEPT_IN = {
    "do_nanosleep": "kernel/time/hrtimer.c",
    "hrtimer_nanosleep": "kernel/time/hrtimer.c",
    "futex_wait": "kernel/futex/waitwake.c",
    "futex_wait_queue": "kernel/futex/waitwake.c",
    "do_epoll_wait": "fs/eventpoll.c",
    "ep_poll": "fs/eventpoll.c",
    "do_sys_poll": "fs/select.c",
    "do_poll": "fs/select.c",
    "do_select": "fs/select.c",
    "core_sys_select": "fs/select.c",
    "do_wait": "kernel/exit.c",
    "kernel_wait4": "kernel/exit.c",
    "do_sigtimedwait": "kernel/signal.c",
    "sigsuspend": "kernel/signal.c",
}

# kernel/module/main.c and include/linux/license.h: license_is_gpl_compatible() (v6.1).
MODULE_LICENSES = {
    "GPL-2.0-only": "GPL v2",
    "GPL-2.0": "GPL v2",
    "GPL-2.0-or-later": "GPL",
    "GPL-2.0+": "GPL",
}


# include/linux/livepatch.h and include/uapi/linux/elf.h: SHN_LIVEPATCH; Documentation/livepatch/
# module-elf-format.rst: names of symbols and of sections (v6.1).
KLP_SYMBOL = ".klp.sym."
KLP_SECTION = ".klp.rela."
SHN_LIVEPATCH = 0xFF20
SHN_LORESERVE = 0xFF00
SHT_RELA = 4
SHF_WRITE, SHF_ALLOC, SHF_INFO_LINK, SHF_RELA_LIVEPATCH = 0x1, 0x2, 0x40, 0x00100000
# arch/x86/kernel/module.c: __apply_relocate_add(): the relocation types that it knows, and how many
# bytes each one writes. These bytes must be zero before (v6.1).
RELOCATION_SIZES = {0: 0, 1: 8, 2: 4, 4: 4, 10: 4, 11: 4, 24: 8}
R_X86_64_64 = 1
# arch/x86/kernel/module.c: clear_relocate_add() clears relocations when the patched module is
# removed. Since commit 0c05e7bd2d01 ("livepatch,x86: Clear relocation targets on a module removal")
# (in v6.3).
CLEARS_RELOCATIONS = "clear_relocate_add"
# kernel/module/main.c: sections that load_module() uses itself, and does not keep in the module.
MODULE_STRUCT = ".gnu.linkonce.this_module"
# include/linux/module.h: struct module begins with state (4 bytes, aligned) and list, then name.
MODULE_STRUCT_NAME = 24
# include/linux/module.h: struct modversion_info, 8 bytes and MODULE_NAME_LEN (v6.1).
MODVERSION_SIZE = 64
# include/linux/module_signature.h: MODULE_SIG_STRING (v6.1).
MODULE_SIGNATURE = b"~Module signature appended~\n"
# kernel/module/signing.c: sig_enforce; security/lockdown/lockdown.c: lockdown_read() (v6.1).
SIG_ENFORCE = "/sys/module/module/parameters/sig_enforce"
LOCKDOWN = "/sys/kernel/security/lockdown"
# kernel/trace/ftrace.c: t_show(): NAME [MODULE] (COUNT) R I D, with I for IPMODIFY (v6.1).
ENABLED_FUNCTIONS = "/sys/kernel/tracing/enabled_functions"
# include/linux/panic.h: bits of what /proc/sys/kernel/tainted shows (v6.1).
TAINTED = "/proc/sys/kernel/tainted"
TAINT_FORCED_MODULE = 1
TAINT_FORCED_RMMOD = 3

# kernel/stacktrace.c, kernel/sched/core.c: not exported. The generated lp_unload.c uses them to
# find out whether a thread is inside the module (v6.1).
OF_UNLOAD = ("stack_trace_save_tsk_reliable", "idle_task")

# kernel/rcu/tasks.h: how synchronize_rcu_tasks() handles exiting threads that are on no task list.
# v6.1 waits for all of them with this SRCU domain. v6.9 and later find them on a list for each CPU,
# and skip those that sleep.
EXIT_SRCU = "tasks_rcu_exit_srcu"
EXIT_LISTS = "rcu_tasks__percpu"
EXIT_HEAD = ("struct rcu_tasks_percpu", "rtp_exit_list")
EXIT_NODE = ("struct task_struct", "rcu_tasks_exit_list")
# kernel/fork.c: only with CONFIG_VMAP_STACK. Used to recognise a node of that list that is on a
# stack (v6.12).
VMAP_STACK = "free_vm_stack_cache"

# kmod/engine: the module, LPE_API of lppack_engine.h, and its folder of sysfs.c.
ENGINE = "lppack_engine"
ENGINE_API = 6
#: The engine's attribute for the longest stop of TRANSFORM_WORLD; its messages use the same name.
MAX_STOP_MS = "max_stop_ms"
ENGINE_PATCHES = "/sys/kernel/lppack"
#: EXPORT_SYMBOL_GPL of kmod/engine/core.c.
ENGINE_SYMBOLS = frozenset({"lpe_enable_patch", "lpe_forget_patch"})


class PatchPhase(StrEnum):
    ABSENT = "absent"
    PATCHING = "patching"
    PATCHED = "patched"
    UNPATCHING = "unpatching"
    UNPATCHED = "unpatched"  # the module is still loaded, its functions are not in use


def engine_attribute(module: str, attribute: str) -> str:
    """Return the path of ``enabled``, ``state``, ... of a patch of lppack's own engine."""
    return f"{ENGINE_PATCHES}/{module}/{attribute}"


def patch_attribute(module: str, attribute: str) -> str:
    """Return the path of ``enabled`` or ``transition`` of a live patch."""
    return f"{LIVEPATCH}/{module}/{attribute}"


def parameter(module: str, name: str) -> str:
    """Return the path of a module parameter: ``convert``, ``converted``, ``info``, ..."""
    return f"{MODULES}/{module}/parameters/{name}"


def unload_attribute(module: str, attribute: str) -> str:
    """Return the path of ``unload`` or ``inside``, of a patch that the livepatch engine moves."""
    return f"{MODULES}/{module}/lppack/{attribute}"


def phase_of(*, loaded: bool, enabled: bool | None, transition: bool) -> PatchPhase:
    """Return the phase of a live patch; ``enabled`` is None if it has no directory under LIVEPATCH.

    kernel/livepatch/core.c: enabled_show(), transition_show(); when a patch is disabled, the kernel
    removes the directory (klp_free_patch_finish), and the module stays (v6.1).
    """
    if enabled is None:
        return PatchPhase.UNPATCHED if loaded else PatchPhase.ABSENT
    if transition:
        return PatchPhase.PATCHING if enabled else PatchPhase.UNPATCHING
    return PatchPhase.PATCHED if enabled else PatchPhase.UNPATCHED


# arch/x86/entry/common.c: do_syscall_64(), a whole visit of a task to the kernel (v6.1).
SYSCALL = "do_syscall_64"
# arch/x86/entry/entry_64.S, entry.S, common.c and arch/x86/include/asm/idtentry.h (v6.1): where the
# kernel's part of a stack begins; tools may omit the outermost frame.
KERNEL_ENTRIES = (
    *("entry_SYSCALL", "entry_SYSENTER", "entry_INT80", "asm_", "ret_from_fork"),
    *(SYSCALL, "do_fast_syscall_32", "do_int80_syscall_32"),
)
# arch/x86/entry/entry_64.S: ret_from_fork calls kthread() (kernel/kthread.c), io_wqe_worker() ...;
# ret_from_fork_asm since 6.5. A new task returns through it once, and has no outer kernel frame.
KTHREAD_ENTRIES = ("ret_from_fork", "ret_from_fork_asm")
#: kernel/livepatch/transition.c: klp_transition_work tries again each round_jiffies(HZ) (v6.1).
TRANSITION_TICK = 1.0
