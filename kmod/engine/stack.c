// SPDX-License-Identifier: GPL-2.0-only
/* lppack_engine: where in the kernel a thread is, as its stack shows. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/rculist.h>
#include <linux/sched.h>

#include "faults.h"
#include "internal.h"

#define LPE_STACK	256

struct lpe_range {
	unsigned long start;
	unsigned long size;
};

/*
 * The last functions of a visit to the kernel, and the first of a system call, where a debugger may
 * stop it before it has done anything. The compiler renames some of them, and inlines others into
 * their callers: names that do not exist are skipped, and ways.c checks that the others suffice.
 */
static const char * const lpe_border_names[] = {
	"exit_to_user_mode_prepare", "exit_to_user_mode_loop", "irqentry_exit_to_user_mode",
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
	/*
	 * A thread that is preempted in one of these is not recognised: irqentry_exit() comes
	 * first.
	 */
	"syscall_exit_to_user_mode", "syscall_trace_enter", "syscall_trace_enter.constprop.0",
	"syscall_exit_to_user_mode_prepare", "syscall_exit_work", "syscall_exit_work.constprop.0",
#else
	"trace_syscall_exit",	/* the last of a system call: audit comes before it */
#endif
};

/* From v7.0 on the compiler inlines most of the way out into the functions below. */
#define LPE_IS_INLINED	(LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0))

/* An interrupt of kernel code also returns through it: see lpe_after_interrupt(). */
static const char * const lpe_interrupt_names[] = { "irqentry_exit" };

/*
 * From v7.0 on, a debugger's stop at either end of a system call is inlined into these, and they
 * call ptrace_notify() for nothing else. A thread that is preempted in one of them may still have
 * seccomp or audit before it, so a frame of these alone is no border.
 */
static const char * const lpe_call_names[] = {
	"do_syscall_64", "do_int80_emulation", "__do_fast_syscall_32", "ret_from_fork",
	"syscall_trace_enter", "syscall_trace_enter.constprop.0",
	"syscall_exit_to_user_mode", "syscall_exit_to_user_mode_prepare",
	"syscall_exit_work", "syscall_exit_work.constprop.0",
};

static const char * const lpe_notify_names[] = { "ptrace_notify" };

/* What a thread may call in the functions above, and still be on its way out. */
static const char * const lpe_inside_names[] = {
	"get_signal", "arch_do_signal_or_restart", "schedule", "__schedule",
	"schedule_timeout",
	"ptrace_stop", "ptrace_stop.part.0", "ptrace_notify", "ptrace_do_notify",
	"do_signal_stop", "do_jobctl_trap", "do_freezer_trap", "__refrigerator",
	"irqentry_exit_cond_resched", "raw_irqentry_exit_cond_resched", "preempt_schedule_irq",
	"__cond_resched", "preempt_schedule_common",
	"__traceiter_sys_exit",
};

/* Runs on the way out, but io_uring also calls it in the middle of a system call. */
static const char * const lpe_works_names[] = { "task_work_run" };

static const char * const lpe_newborn_names[] = { "ret_from_fork", "ret_from_fork_asm" };

/* The entry code, where every way from user space into the kernel begins. */
static unsigned long lpe_entry_start, lpe_entry_end;

static struct lpe_range lpe_border[ARRAY_SIZE(lpe_border_names)];
static struct lpe_range lpe_interrupt[ARRAY_SIZE(lpe_interrupt_names)];
static struct lpe_range lpe_call[ARRAY_SIZE(lpe_call_names)];
static struct lpe_range lpe_notify[ARRAY_SIZE(lpe_notify_names)];
static struct lpe_range lpe_inside[ARRAY_SIZE(lpe_inside_names)];
static struct lpe_range lpe_works[ARRAY_SIZE(lpe_works_names)];
static struct lpe_range lpe_newborn[ARRAY_SIZE(lpe_newborn_names)];

/* Used only in a stop, by the one CPU that runs its body. */
static unsigned long lpe_entries[LPE_STACK];

static void lpe_resolve(const char * const *names, struct lpe_range *ranges, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		ranges[i].start = lpe_symbol(names[i], &ranges[i].size);
}

int lpe_stack_init(void)
{
	lpe_resolve(lpe_border_names, lpe_border, ARRAY_SIZE(lpe_border));
	lpe_resolve(lpe_interrupt_names, lpe_interrupt, ARRAY_SIZE(lpe_interrupt));
	lpe_resolve(lpe_call_names, lpe_call, ARRAY_SIZE(lpe_call));
	lpe_resolve(lpe_notify_names, lpe_notify, ARRAY_SIZE(lpe_notify));
	lpe_resolve(lpe_inside_names, lpe_inside, ARRAY_SIZE(lpe_inside));
	lpe_resolve(lpe_works_names, lpe_works, ARRAY_SIZE(lpe_works));
	lpe_resolve(lpe_newborn_names, lpe_newborn, ARRAY_SIZE(lpe_newborn));
	lpe_entry_start = lpe_symbol("__entry_text_start", NULL);
	lpe_entry_end = lpe_symbol("__entry_text_end", NULL);
	if (!lpe_entry_start || !lpe_entry_end ||
	    !(lpe_newborn[0].start || lpe_newborn[1].start)) {
		pr_err("the ends of stacks have other names in this kernel\n");
		return -EOPNOTSUPP;
	}
	if ((!lpe_border[0].start && !lpe_border[1].start) || !lpe_works[0].start) {
		pr_err("the border to user space has another name in this kernel\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

/*
 * True if the address belongs to a function. An address on a stack is that behind a call, so the
 * function's end belongs to it. Its start counts as inside, too: a thread can be interrupted there.
 */
bool lpe_within(unsigned long address, unsigned long start, unsigned long size)
{
	return start && address - start <= size;
}

static bool lpe_in_any(unsigned long address, const struct lpe_range *ranges, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (lpe_within(address, ranges[i].start, ranges[i].size))
			return true;
	return false;
}

static bool lpe_is_entry(unsigned long address)
{
	return address >= lpe_entry_start && address < lpe_entry_end;
}

/*
 * The kernel calls some stacks reliable that end too early: if a thread was interrupted and
 * preempted in a thunk of an indirect branch, the unwinder sees nothing beyond it
 * (UNWIND_HINT_EMPTY in arch/x86/lib/retpoline.S, v6.1). So check that a stack ends where threads
 * begin. An idle task is never preempted, so it is not checked.
 */
static bool lpe_is_end(unsigned long address)
{
	return lpe_is_entry(address) || lpe_in_any(address, lpe_newborn, ARRAY_SIZE(lpe_newborn));
}

/*
 * In a stop. Return the number of entries of a task's stack, or an error if not all are known.
 * *entries is valid until the next call.
 */
int lpe_whole_stack(struct task_struct *task, const unsigned long **entries)
{
	int count = lpe_stack_of(task, lpe_entries, LPE_STACK), i;

	lpe_assert_stopped();
	for (i = 0; i < count; i++)
		if (lpe_is_bpf(lpe_entries[i]))
			return -EINVAL;
	if (count > 0 && !is_idle_task(task) && !lpe_is_end(lpe_entries[count - 1]) &&
	    !lpe_leaves_out(LPE_NO_END_CHECK))
		return -EINVAL;
	*entries = lpe_entries;
	return count;
}

/* True if the original function that starts there (no replacement) is in ranges. */
static bool lpe_starts_any(unsigned long start, const struct lpe_range *ranges, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (ranges[i].start == start)
			return true;
	return false;
}

enum lpe_place lpe_place_of(unsigned long old)
{
	if (lpe_starts_any(old, lpe_border, ARRAY_SIZE(lpe_border)))
		return LPE_WAY_OUT;
	if (lpe_starts_any(old, lpe_inside, ARRAY_SIZE(lpe_inside)))
		return LPE_ON_WAY_OUT;
	if (lpe_starts_any(old, lpe_works, ARRAY_SIZE(lpe_works)))
		return LPE_IN_WORKS;
	return LPE_ELSEWHERE;
}

/*
 * Call it in a stop, or with preemption off: this pairs with synchronize_rcu() in
 * lpe_forget_patch(). On a stack, a replacement counts as the function that it replaces, whichever
 * patch it belongs to.
 */
static enum lpe_place lpe_place_of_new(unsigned long address)
{
	struct lpe_patch *patch;
	struct lpe_object *obj;
	struct lpe_func *func;

	list_for_each_entry_rcu(patch, &lpe_patches, list) {
		if (!within_module(address, patch->klp->mod))
			continue;
		lpe_for_each_object(patch, obj) {
			/* Pairs with smp_store_release() in lpe_hook(). */
			if (!smp_load_acquire(&obj->hooked))
				continue;
			lpe_for_each_func(obj, func)
				if (func->place &&
				    (lpe_within(address, func->new, func->new_size) ||
				     lpe_within(address, func->wrapper, func->wrapper_size)))
					return func->place;
		}
	}
	return LPE_ELSEWHERE;
}

static enum lpe_place lpe_place_at(unsigned long address)
{
	if (lpe_in_any(address, lpe_border, ARRAY_SIZE(lpe_border)))
		return LPE_WAY_OUT;
	if (lpe_in_any(address, lpe_works, ARRAY_SIZE(lpe_works)))
		return LPE_IN_WORKS;
	if (lpe_in_any(address, lpe_inside, ARRAY_SIZE(lpe_inside)) ||
	    within_module(address, THIS_MODULE))
		return LPE_ON_WAY_OUT;
	return lpe_place_of_new(address);
}

/*
 * Entry i of the stack is in irqentry_exit(). Return the index of the entry for the interrupted
 * code; count if that is in user space; i if the stack has another shape. Between the two are the
 * entry code and the handler, unless the handler ends in a jump to irqentry_exit():
 * exc_page_fault(), which may have called __kvm_handle_async_pf(), is the longest way.
 */
static unsigned int lpe_after_interrupt(const unsigned long *entries, unsigned int count,
					unsigned int i)
{
	unsigned int entry;

	for (entry = i + 1; entry < count && entry <= i + 3; entry++)
		if (lpe_is_entry(entries[entry]))
			return entry + 1;
	return i;
}

/* True if a debugger has stopped the thread in entry i > 0, at an end of a system call. */
static bool lpe_is_call_stop(const unsigned long *entries, unsigned int i)
{
	return LPE_IS_INLINED && lpe_in_any(entries[i], lpe_call, ARRAY_SIZE(lpe_call)) &&
	       lpe_in_any(entries[i - 1], lpe_notify, ARRAY_SIZE(lpe_notify));
}

/*
 * True if, by its stack, a thread has only to leave the kernel: from the innermost frame outwards,
 * nothing is seen but the exit functions and what may run in them. A callback of task work alone
 * does not show that, as io_uring runs such callbacks in the middle of a system call. Nor does a
 * true suffice: lpe_has_left_kernel() also looks for task work, and *in_works is true if some is
 * being run.
 */
bool lpe_at_border(const unsigned long *entries, unsigned int count, bool *in_works)
{
	enum lpe_place place = LPE_ON_WAY_OUT;
	unsigned int i, next;

	*in_works = false;
	if (lpe_leaves_out(LPE_NO_BORDER_CHECK))
		return true;
	for (i = 0; i < count; i++) {
		if (LPE_IS_INLINED &&
		    lpe_in_any(entries[i], lpe_interrupt, ARRAY_SIZE(lpe_interrupt))) {
			next = lpe_after_interrupt(entries, count, i);
			if (next == count)
				return true;
			if (next == i)
				break;
			i = next - 1;	/* go on with the code that was interrupted */
			continue;
		}
		place = lpe_place_at(entries[i]);
		if (place == LPE_WAY_OUT || (i && lpe_is_call_stop(entries, i)))
			return true;
		if (place == LPE_ELSEWHERE)
			break;
		*in_works |= place == LPE_IN_WORKS;
	}
	/* A thread that has never run: it was nowhere, and is about to enter user mode. */
	return count && i == 0 && count <= 2 &&
	       lpe_in_any(entries[0], lpe_newborn, ARRAY_SIZE(lpe_newborn));
}

/* For messages: the innermost address that is not in lpe_inside_names; 0: there is none. */
unsigned long lpe_innermost(const unsigned long *entries, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (!lpe_in_any(entries[i], lpe_inside, ARRAY_SIZE(lpe_inside)))
			return entries[i];
	return 0;
}
