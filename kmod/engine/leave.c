// SPDX-License-Identifier: GPL-2.0-only
/* lppack_engine: which threads have left what their mode requires them to leave. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "faults.h"
#include "internal.h"

/* A return address so few bytes behind a function's start can only be that of its fentry call. */
#define LPE_ENTRY	9

#ifndef PF_USER_WORKER	/* since 6.4 */
#define PF_USER_WORKER	0
#endif

/* True if the thread returns to user space. Workers of io_uring and vhost never do. */
bool lpe_is_user(const struct task_struct *task)
{
	return !(task->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER));
}

void lpe_no_blockers(struct lpe_patch *patch)
{
	WRITE_ONCE(patch->left, 0);
	patch->asleep = NULL;
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
	lpe_thread_watch(patch, task);
}

/*
 * Without the end, unlike lpe_within(): the next function may begin there, and a wrapper does not
 * end in a call.
 */
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
	const struct lpe_span *span = lpe_span_at(patch, address);

	return span && !(span->old && lpe_forgives_call(span->func, address)) ? span->func : NULL;
}

/* The first of count entries that is in the patched set; count if there is none. */
static unsigned int lpe_first_in_set(struct lpe_patch *patch, const unsigned long *entries,
				     unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (lpe_patched_at(patch, entries[i]))
			break;
	return i;
}

/* With preemption off, or in a stop. */
bool lpe_is_in_set(struct lpe_patch *patch, const unsigned long *entries, unsigned int count)
{
	return lpe_first_in_set(patch, entries, count) < count;
}

/*
 * In a stop. True if the thread is outside of the patched set, by the count entries of its stack. A
 * frame of either universe is inside, and so is one in the fentry call of an old function: there
 * the universe may be chosen already, and the thread has not entered the function.
 */
static bool lpe_has_left_set(struct lpe_patch *patch, struct task_struct *task,
			     const unsigned long *entries, int count)
{
	unsigned int i;

	lpe_assert_stopped();
	if (count < 0) {
		lpe_blame(patch, task, 0, "its stack is not reliable");
		return false;
	}
	i = lpe_first_in_set(patch, entries, count);
	if (i == count)
		return true;
	lpe_blame(patch, task, entries[i], "is in");
	return false;
}

static bool lpe_is_clear(struct lpe_patch *patch, struct task_struct *task)
{
	const unsigned long *entries = NULL;
	int count = lpe_whole_stack(task, &entries);

	return lpe_has_left_set(patch, task, entries, count);
}

/* In a stop. True if the thread has left what its mode requires it to leave. */
bool lpe_is_ready(struct lpe_patch *patch, struct task_struct *task)
{
	const unsigned long *entries = NULL;
	int count = lpe_whole_stack(task, &entries);

	lpe_assert_stopped();
	if (lpe_leaves_out(LPE_NO_STACK_CHECK))
		return true;
	if (!lpe_has_left_set(patch, task, entries, count))
		return false;
	/*
	 * A thread in TASK_DEAD only waits to be freed, and most often has no stack any more (count
	 * is 0). A zombie in another state is still in do_exit(), where it releases what it holds.
	 */
	if (patch->mode->leave_kernel && lpe_is_user(task) && count &&
	    READ_ONCE(task->__state) != TASK_DEAD && !lpe_has_left_kernel(task, entries, count)) {
		lpe_blame(patch, task, lpe_innermost(entries, count),
			  "has not left the kernel, and is in");
		return false;
	}
	return true;
}

/*
 * In a stop. True if all visits of the thread to the patched set are counted: each frame of the set
 * has its wrapper as caller. A frame in the fentry call of an old function has not: from there the
 * thread may enter the function without the wrapper. Adds the visits to patch->seen; a wrapper
 * without such a frame does not count there, as its visit may not have begun, or may be over.
 */
bool lpe_is_counted(struct lpe_patch *patch, struct task_struct *task)
{
	const unsigned long *entries = NULL;
	int count = lpe_whole_stack(task, &entries), i;
	struct lpe_func *func;

	lpe_assert_stopped();
	if (lpe_leaves_out(LPE_NO_STACK_CHECK))
		return true;
	if (count < 0) {
		lpe_blame(patch, task, 0, "its stack is not reliable");
		return false;
	}
	for (i = 0; i < count; i++) {
		func = lpe_patched_at(patch, entries[i]);
		if (!func || lpe_in_wrapper(func, entries[i]))
			continue;
		if (i + 1 == count || !lpe_in_wrapper(func, entries[i + 1])) {
			lpe_blame(patch, task, entries[i], "is in");
			return false;
		}
		patch->seen++;
	}
	return true;
}

bool lpe_all_ready(struct lpe_patch *patch)
{
	lpe_no_blockers(patch);
	return lpe_each_task(patch, lpe_is_ready);
}

/* In a stop. True if no thread is in the patched set, wherever else it may be. */
bool lpe_all_clear(struct lpe_patch *patch)
{
	lpe_assert_stopped();
	lpe_no_blockers(patch);
	return lpe_each_task(patch, lpe_is_clear);
}

static bool lpe_is_in_old_entry(struct lpe_patch *patch, unsigned long address)
{
	const struct lpe_span *span = lpe_span_at(patch, address);

	return span && span->old && lpe_is_in_call(span->func, address);
}

/*
 * True if the thread is outside of the patch's module, and not in the fentry call of an old
 * function, from where it may still get there.
 */
static bool lpe_is_outside(struct lpe_patch *patch, struct task_struct *task)
{
	const unsigned long *entries = NULL;
	int count = lpe_whole_stack(task, &entries), i;

	if (count < 0) {
		lpe_blame(patch, task, 0, "its stack is not reliable");
		return false;
	}
	for (i = 0; i < count; i++) {
		if (within_module(entries[i], patch->klp->mod) ||
		    lpe_is_in_old_entry(patch, entries[i])) {
			lpe_blame(patch, task, entries[i], "is in");
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
