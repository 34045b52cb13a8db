// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: where a thread is, told from its stack while the machine is stopped.
 *
 * Inside stop_machine() no thread runs but the stoppers, nobody holds tasklist_lock, and no section
 * with preemption off is under way: all lists can be read, and all stacks stand still.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/stacktrace.h>
#include <linux/stop_machine.h>

#include "faults.h"
#include "internal.h"
#include "lppack_trace.h"

#define LPE_STACK	256
/* A call ends within so many bytes of a function's start only in its fentry call. */
#define LPE_ENTRY	9

#ifndef PF_USER_WORKER	/* since 6.4 */
#define PF_USER_WORKER	0
#endif

struct lpe_range {
	unsigned long start;
	unsigned long size;
};

/*
 * The last functions of a visit to the kernel, and the first of a system call, where a debugger may
 * stop it before it has done anything; and what a thread may do in them. The compiler gives some of
 * them other names, and inlines others into their callers: what is not there is passed over.
 */
static const char * const lpe_border_names[] = {
	"exit_to_user_mode_prepare", "exit_to_user_mode_loop",
	"syscall_exit_to_user_mode", "irqentry_exit_to_user_mode",
	"syscall_trace_enter", "syscall_trace_enter.constprop.0",
	"syscall_exit_to_user_mode_prepare", "syscall_exit_work", "syscall_exit_work.constprop.0",
};

static const char * const lpe_inside_names[] = {
	"task_work_run", "get_signal", "arch_do_signal_or_restart", "schedule", "__schedule",
	"schedule_timeout",
	"ptrace_stop", "ptrace_stop.part.0", "ptrace_notify", "ptrace_do_notify",
	"do_signal_stop", "do_jobctl_trap", "do_freezer_trap", "__refrigerator",
	"irqentry_exit_cond_resched", "__cond_resched", "preempt_schedule_common",
};

static const char * const lpe_newborn_names[] = { "ret_from_fork", "ret_from_fork_asm" };

/* The code that all ways into the kernel from user space begin with. */
static unsigned long lpe_entry_start, lpe_entry_end;

static struct lpe_range lpe_border[ARRAY_SIZE(lpe_border_names)];
static struct lpe_range lpe_inside[ARRAY_SIZE(lpe_inside_names)];
static struct lpe_range lpe_newborn[ARRAY_SIZE(lpe_newborn_names)];

/* Only the one stopper that runs a body uses it. */
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
	lpe_resolve(lpe_inside_names, lpe_inside, ARRAY_SIZE(lpe_inside));
	lpe_resolve(lpe_newborn_names, lpe_newborn, ARRAY_SIZE(lpe_newborn));
	lpe_entry_start = lpe_symbol("__entry_text_start", NULL);
	lpe_entry_end = lpe_symbol("__entry_text_end", NULL);
	if (!lpe_entry_start || !lpe_entry_end ||
	    !(lpe_newborn[0].start || lpe_newborn[1].start)) {
		pr_err("the ends of stacks have other names in this kernel\n");
		return -EOPNOTSUPP;
	}
	if (!lpe_border[0].start && !lpe_border[1].start) {
		pr_err("the border to user space has another name in this kernel\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

/*
 * Addresses on a stack are those after a call, so the end belongs to a function; the start does as
 * well where a thread was interrupted, and is taken as inside.
 */
static bool lpe_within(unsigned long address, unsigned long start, unsigned long size)
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

/*
 * The kernel takes a stack for reliable that ends too early: where a thread was interrupted and
 * preempted in a thunk of an indirect branch, of which the unwinder knows only that nothing can be
 * told beyond it (UNWIND_HINT_EMPTY in arch/x86/lib/retpoline.S, v6.1). So its end is looked at: it
 * is where a thread comes from. An idle task is never preempted.
 */
static bool lpe_is_end(unsigned long address)
{
	return (address >= lpe_entry_start && address < lpe_entry_end) ||
	       lpe_in_any(address, lpe_newborn, ARRAY_SIZE(lpe_newborn));
}

/* Into lpe_entries: the number of entries, or an error where they are not known for certain. */
static int lpe_whole_stack(struct task_struct *task)
{
	int count = lpe_stack_of(task, lpe_entries, LPE_STACK);

	if (count > 0 && !is_idle_task(task) && !lpe_is_end(lpe_entries[count - 1]) &&
	    !lpe_leaves_out(LPE_NO_END_CHECK))
		return -EINVAL;
	return count;
}

/*
 * True if the thread has nothing more to do in the kernel than to leave it: from the innermost
 * frame on nothing is seen but the exit loop and what may be done there. A callback of task work
 * alone does not prove that: io_uring runs them in the middle of a system call.
 */
bool lpe_at_border(const unsigned long *entries, unsigned int count)
{
	unsigned int i;

	if (lpe_leaves_out(LPE_NO_BORDER_CHECK))
		return true;
	for (i = 0; i < count; i++) {
		if (lpe_in_any(entries[i], lpe_border, ARRAY_SIZE(lpe_border)))
			return true;
		if (!lpe_in_any(entries[i], lpe_inside, ARRAY_SIZE(lpe_inside)) &&
		    !within_module(entries[i], THIS_MODULE))
			break;
	}
	/* A thread that has never run: it is about to enter user mode, and was nowhere. */
	return count && i == 0 && count <= 2 &&
	       lpe_in_any(entries[0], lpe_newborn, ARRAY_SIZE(lpe_newborn));
}

/* Has a border to user space. Workers of io_uring and vhost never come there. */
bool lpe_is_user(const struct task_struct *task)
{
	return !(task->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER));
}

void lpe_no_blockers(struct lpe_patch *patch)
{
	patch->left = 0;
}

static void lpe_blame(struct lpe_patch *patch, struct task_struct *task, unsigned long function,
		      const char *reason)
{
	struct lpe_blocker *blocker;

	if (patch->left < LPE_BLOCKERS) {
		blocker = &patch->blockers[patch->left];
		blocker->pid = task->tgid;
		blocker->tid = task->pid;
		memcpy(blocker->comm, task->comm, sizeof(blocker->comm));
		blocker->comm[sizeof(blocker->comm) - 1] = '\0';
		blocker->function = function;
		blocker->reason = reason;
	}
	patch->left++;
}

/* Also where the next function begins at its end: it does not end in a call. */
static bool lpe_in_wrapper(const struct lpe_func *func, unsigned long address)
{
	return func->wrapper && address - func->wrapper < func->wrapper_size;
}

static bool lpe_is_in_call(const struct lpe_func *func, unsigned long address)
{
	return address - func->old <= LPE_ENTRY;
}

static bool lpe_forgives_call(const struct lpe_func *func, unsigned long address)
{
	return lpe_leaves_out(LPE_NO_CALL_CHECK) && lpe_is_in_call(func, address);
}

/* The patched function at an address of a stack: old, new or its wrapper. NULL if it is none. */
static struct lpe_func *lpe_patched_at(struct lpe_patch *patch, unsigned long address)
{
	struct lpe_object *obj;
	struct lpe_func *func;

	lpe_for_each_object(patch, obj) {
		if (!obj->hooked)
			continue;
		lpe_for_each_func(obj, func)
			if ((lpe_within(address, func->old, func->old_size) &&
			     !lpe_forgives_call(func, address)) ||
			    lpe_within(address, func->cold, func->cold_size) ||
			    lpe_within(address, func->new, func->new_size) ||
			    lpe_in_wrapper(func, address))
				return func;
	}
	return NULL;
}

/* Where a thread is, for people: what it waits for. */
static unsigned long lpe_innermost(unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (!lpe_in_any(lpe_entries[i], lpe_inside, ARRAY_SIZE(lpe_inside)))
			return lpe_entries[i];
	return 0;
}

/*
 * In a stop, of the count entries of a stack. True if the thread is outside of the patched set. A
 * frame of either universe counts, and so does one in the fentry call of an old function: there the
 * thread has its universe already, and may go to either.
 */
static bool lpe_has_left_set(struct lpe_patch *patch, struct task_struct *task, int count)
{
	struct lpe_func *func;
	int i;

	if (count < 0) {
		lpe_blame(patch, task, 0, "its stack is not reliable");
		return false;
	}
	for (i = 0; i < count; i++) {
		func = lpe_patched_at(patch, lpe_entries[i]);
		if (func) {
			lpe_blame(patch, task, lpe_entries[i], "is in");
			return false;
		}
	}
	return true;
}

static bool lpe_is_clear(struct lpe_patch *patch, struct task_struct *task)
{
	return lpe_has_left_set(patch, task, lpe_whole_stack(task));
}

/* In a stop. True if the thread has left what its mode asks it to leave. */
bool lpe_is_ready(struct lpe_patch *patch, struct task_struct *task)
{
	int count = lpe_whole_stack(task);

	if (lpe_leaves_out(LPE_NO_STACK_CHECK))
		return true;
	if (!lpe_has_left_set(patch, task, count))
		return false;
	/* What has become a zombie only waits to vanish. */
	if (patch->mode->leave_kernel && lpe_is_user(task) && !task->exit_state && count &&
	    !lpe_at_border(lpe_entries, count)) {
		lpe_blame(patch, task, lpe_innermost(count), "has not left the kernel, and is in");
		return false;
	}
	return true;
}

/*
 * In a stop. True if all visits of the thread to the patched set are counted: a frame of the set
 * has its wrapper for a caller. One in the fentry call of an old function has not: there the thread
 * may be on its way past the wrapper.
 */
bool lpe_is_counted(struct lpe_patch *patch, struct task_struct *task)
{
	int count = lpe_whole_stack(task), i;
	struct lpe_func *func;

	if (lpe_leaves_out(LPE_NO_STACK_CHECK))
		return true;
	if (count < 0) {
		lpe_blame(patch, task, 0, "its stack is not reliable");
		return false;
	}
	for (i = 0; i < count; i++) {
		func = lpe_patched_at(patch, lpe_entries[i]);
		if (!func || lpe_in_wrapper(func, lpe_entries[i]))
			continue;
		if (i + 1 == count || !lpe_in_wrapper(func, lpe_entries[i + 1])) {
			lpe_blame(patch, task, lpe_entries[i], "is in");
			return false;
		}
	}
	return true;
}

/* In a stop. Every thread and every idle task that does not run this body; stops at a false. */
bool lpe_each_task(struct lpe_patch *patch, lpe_visit *visit)
{
	struct task_struct *group, *task;
	bool all = true;
	int cpu;

	for_each_process_thread(group, task)
		/* What runs now is a stopper: the machine would not be stopped otherwise. */
		if (!task->on_cpu)
			all &= visit(patch, task);
	for_each_online_cpu(cpu)
		all &= visit(patch, lpe_idle_task(cpu));
	return all;
}

bool lpe_all_ready(struct lpe_patch *patch)
{
	lpe_no_blockers(patch);
	return lpe_each_task(patch, lpe_is_ready);
}

/* In a stop. True if no thread is in the patched set, wherever else it may be. */
bool lpe_all_clear(struct lpe_patch *patch)
{
	lpe_no_blockers(patch);
	return lpe_each_task(patch, lpe_is_clear);
}

static bool lpe_is_in_old_entry(struct lpe_patch *patch, unsigned long address)
{
	struct lpe_object *obj;
	struct lpe_func *func;

	lpe_for_each_object(patch, obj)
		if (obj->hooked)
			lpe_for_each_func(obj, func)
				if (lpe_is_in_call(func, address))
					return true;
	return false;
}

/* Outside the patch's module, and not in a trampoline that may lead there. */
static bool lpe_is_outside(struct lpe_patch *patch, struct task_struct *task)
{
	int count = lpe_whole_stack(task), i;

	if (count < 0) {
		lpe_blame(patch, task, 0, "its stack is not reliable");
		return false;
	}
	for (i = 0; i < count; i++) {
		if (within_module(lpe_entries[i], patch->klp->mod) ||
		    lpe_is_in_old_entry(patch, lpe_entries[i])) {
			lpe_blame(patch, task, lpe_entries[i], "is in");
			return false;
		}
	}
	return true;
}

bool lpe_all_outside(struct lpe_patch *patch)
{
	lpe_no_blockers(patch);
	return lpe_each_task(patch, lpe_is_outside);
}

struct lpe_stopped {
	int (*body)(void *patch);
	struct lpe_patch *patch;
	u64 took;	/* ns */
};

static int lpe_stop_body(void *data)
{
	struct lpe_stopped *stopped = data;
	struct lpe_statistics *stats = &stopped->patch->stats;
	u64 start = ktime_get_mono_fast_ns();
	int err;

	stopped->patch->stop_began = start;
	err = stopped->body(stopped->patch);
	stopped->took = ktime_get_mono_fast_ns() - start;
	stats->stops++;
	stats->longest_stop = max(stats->longest_stop, stopped->took);
	return err;
}

/* Runs body on one CPU while all others stand still with interrupts off. */
int lpe_stop(int (*body)(void *patch), struct lpe_patch *patch)
{
	struct lpe_stopped stopped = { .body = body, .patch = patch };
	int err;

	err = stop_machine(lpe_stop_body, &stopped, NULL);
	trace_lppack_stop(patch->klp->mod->name, stopped.took, patch->left);
	return err;
}
