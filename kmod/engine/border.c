// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: threads at the border to user space.
 *
 * Each user thread gets a task work, which runs when the thread next comes to the border. While the
 * gate is closed, the thread waits there: it stays out of the kernel until a stop has found all
 * others outside as well. In modes where threads switch one by one, the thread switches itself
 * there.
 *
 * Other task work belongs to the system call that queued it: the final fput() of a close() is an
 * example. So a thread has left the kernel only if our work is the last one. If it is not, the work
 * queues itself again, behind the others.
 *
 * A gate is closed for a bounded time, which each held thread measures itself: it goes on even if
 * the gate is never opened.
 *
 * Nothing here waits for a user thread. A work that task_work_run() has taken off the list cannot
 * be cancelled, and works that run before it may block for as long as a server does not answer. So
 * a work is an object of its own, with a reference for its thread's entry, and one while it is
 * queued or runs; the latter also pins this module. A work touches an entry or a patch only with
 * preemption off, and only after it has checked that its thread's entry still points to it, because
 * entries belong to one transition. lpe_border_end() waits for these sections, and for nothing
 * else.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/wait.h>

#include "faults.h"
#include "lppack_trace.h"
#include "threads.h"

#define LPE_OWN_STACK	32
#define LPE_AGAIN	16	/* how often a work is queued behind others in one visit */

/* A task work of ours. */
struct lpe_work {
	struct callback_head head;
	refcount_t refs;	/* the entry's, and one while queued or running */
	unsigned int again;	/* how often it was queued again in this visit; its thread's */
	bool queued;		/* set with xchg(): on a task, or running */
	bool parked;		/* held at the gate, with nothing else to do; read in stops */
};

/* Whose transition it is, NULL outside of one; written by the worker. */
static struct lpe_patch *lpe_gate_of;
static unsigned long lpe_gate_end;	/* jiffies; valid while the gate is closed */
static bool lpe_gate_closed;
static DECLARE_WAIT_QUEUE_HEAD(lpe_gate);

static struct tracepoint *lpe_tp_exit;	/* sys_exit */
static bool lpe_midway;		/* a work ran where its thread can neither wait nor switch */
static bool lpe_probing;	/* lpe_on_exit() is registered; used by the worker alone */

struct lpe_work *lpe_work_new(void)
{
	struct lpe_work *work = kzalloc(sizeof(*work), GFP_KERNEL);

	if (work)
		refcount_set(&work->refs, 1);
	return work;
}

void lpe_work_put(struct lpe_work *work)
{
	if (refcount_dec_and_test(&work->refs))
		kfree(work);
}

/*
 * End of a work that is on no list any more. After module_put() its thread still runs a few
 * instructions of this module: synchronize_rcu_tasks() in lpe_exit() waits for these.
 */
static void lpe_work_done(struct lpe_work *work)
{
	WRITE_ONCE(work->queued, false);
	lpe_work_put(work);
	module_put(THIS_MODULE);
}

/* In a stop, where the list cannot change. True if a task work that is not ours is queued. */
static bool lpe_has_works(const struct task_struct *task)
{
	const struct callback_head *head;

	lpe_assert_stopped();
	for (head = task->task_works; head; head = head->next)
		if (head->func != lpe_at_work)
			return true;
	return false;
}

static bool lpe_is_parked(const struct task_struct *task)
{
	const struct lpe_thread *thread = lpe_thread_of(task);

	return thread && thread->work->parked;
}

/*
 * In a stop. True if a user thread has only to leave the kernel: its stack shows nothing else, and
 * no task work is left, neither queued nor taken off the list by a task_work_run() that has not
 * ended. A parked thread is in task_work_run(), too, but had no work behind its own.
 */
bool lpe_has_left_kernel(const struct task_struct *task, const unsigned long *entries,
			 unsigned int count)
{
	bool in_works;

	lpe_assert_stopped();
	if (!lpe_at_border(entries, count, &in_works))
		return false;
	if (lpe_leaves_out(LPE_NO_LAST_CHECK))
		return true;
	return !lpe_has_works(task) && (!in_works || lpe_is_parked(task));
}

enum lpe_visit_end {
	LPE_MIDWAY,	/* not at the border, or still in the patched set */
	LPE_WORKS_LEFT,
	LPE_AT_THE_END,
};

/*
 * True if a work that is not ours is queued for the current thread. Other CPUs may queue and cancel
 * works at the same time, so no work is dereferenced but our own, which the thread's entry keeps. A
 * work that is queued after this check does not belong to this visit.
 */
static bool lpe_work_waits(const struct lpe_thread *thread)
{
	const struct callback_head *first = READ_ONCE(current->task_works);

	return first && (first != &thread->work->head || READ_ONCE(first->next));
}

/*
 * With preemption off. Return how far the current thread is on its way out. next: the work that its
 * task_work_run() runs after ours; NULL: none, or it is not in task_work_run().
 */
static enum lpe_visit_end lpe_own_end(struct lpe_patch *patch, const struct lpe_thread *thread,
				      const struct callback_head *next)
{
	unsigned long entries[LPE_OWN_STACK];
	unsigned int count = stack_trace_save(entries, ARRAY_SIZE(entries), 0);
	bool in_works;

	if (lpe_leaves_out(LPE_NO_WORK_CHECK))
		return LPE_AT_THE_END;
	/* A full array may lack the end of the stack. */
	if (count == ARRAY_SIZE(entries) || !lpe_at_border(entries, count, &in_works))
		return LPE_MIDWAY;
	if (lpe_leaves_out(LPE_NO_OWN_SET_CHECK))
		return LPE_AT_THE_END;
	if (lpe_is_in_set(patch, entries, count))
		return LPE_MIDWAY;
	if ((next || lpe_work_waits(thread)) && !lpe_leaves_out(LPE_NO_LAST_CHECK))
		return LPE_WORKS_LEFT;
	return LPE_AT_THE_END;
}

/*
 * With preemption off: a stop may reverse the transition, but only before or after this, not
 * between reading the target and writing the universe.
 */
static void lpe_switch_self(struct lpe_patch *patch, struct lpe_thread *thread)
{
	if (patch->mode->by_thread)
		WRITE_ONCE(thread->universe, READ_ONCE(patch->target));
}

/*
 * Return how long to hold the thread here, in jiffies. *again: works behind this one have to run
 * first, so it must be queued again.
 */
static long lpe_arrive(struct lpe_work *work, bool *again)
{
	struct lpe_thread *thread;
	struct lpe_patch *patch;
	long left = 0;

	/* Pairs with synchronize_rcu_expedited() in lpe_border_end(), which waits for this. */
	preempt_disable();
	patch = READ_ONCE(lpe_gate_of);
	thread = lpe_thread_of(current);
	if (!patch || !thread || thread->work != work)
		goto out;	/* of a transition that is over */
	switch (lpe_own_end(patch, thread, work->head.next)) {
	case LPE_MIDWAY:
		WRITE_ONCE(lpe_midway, true);
		break;
	case LPE_WORKS_LEFT:
		*again = work->again++ < LPE_AGAIN;
		if (!*again)
			WRITE_ONCE(lpe_midway, true);
		break;
	case LPE_AT_THE_END:
		lpe_switch_self(patch, thread);
		if (!READ_ONCE(lpe_gate_closed))
			break;
		left = max(0L, (long)(READ_ONCE(lpe_gate_end) - jiffies));
		atomic_long_inc(&patch->stats.held);
		trace_lppack_held(patch->klp->mod->name, current);
		break;
	}
out:
	preempt_enable();
	return left;
}

/*
 * Wait at the gate for at most left jiffies. True if it is still closed, and works have been queued
 * that must run first.
 */
static bool lpe_park(struct lpe_work *work, long left)
{
	WRITE_ONCE(work->parked, true);
	wait_event_idle_timeout(lpe_gate,
				!READ_ONCE(lpe_gate_closed) || task_work_pending(current), left);
	WRITE_ONCE(work->parked, false);
	return READ_ONCE(lpe_gate_closed) && task_work_pending(current);
}

/*
 * io_uring runs task work in the middle of its system calls. A work that runs there, not at the
 * border, is not queued again from here: it would run at once, and for ever. lpe_on_exit() queues
 * it again at the end of the system call.
 */
void lpe_at_work(struct callback_head *head)
{
	struct lpe_work *work = container_of(head, struct lpe_work, head);
	bool again = false;
	long left = 0;

	if (!(current->flags & PF_EXITING)) {
		lpe_test_point(LPE_IN_WORK);
		left = lpe_arrive(work, &again);
	}
	if (left)
		again = lpe_park(work, left) && work->again++ < LPE_AGAIN;
	/* Once it is queued again, lpe_cancel() may free it: it must not be used any more. */
	if (again && !lpe_work_add(current, head, TWA_NONE))
		return;
	work->again = 0;
	lpe_work_done(work);
}

/* Works that are queued from now on are for this transition; the gate is open. */
void lpe_border_begin(struct lpe_patch *patch)
{
	WRITE_ONCE(lpe_midway, false);
	WRITE_ONCE(lpe_gate_closed, false);
	WRITE_ONCE(lpe_gate_of, patch);
}

/* Close the gate: from now on threads that come to the border wait there, at most for ms. */
void lpe_border_close(unsigned int ms)
{
	WRITE_ONCE(lpe_gate_end, jiffies + msecs_to_jiffies(ms));
	WRITE_ONCE(lpe_gate_closed, true);
}

static bool lpe_needs_work(struct lpe_patch *patch, struct lpe_thread *thread)
{
	return !patch->mode->by_thread || READ_ONCE(thread->universe) != READ_ONCE(patch->target);
}

/*
 * Queue a thread's work, unless it is queued already. So that the entry stays, call it with
 * preemption off, or from the worker under rcu_read_lock().
 */
static void lpe_queue(struct task_struct *task, struct lpe_thread *thread,
		      enum task_work_notify_mode how)
{
	struct lpe_work *work = thread->work;

	if (xchg(&work->queued, true))
		return;
	refcount_inc(&work->refs);
	__module_get(THIS_MODULE);
	init_task_work(&work->head, lpe_at_work);
	if (lpe_work_add(task, &work->head, how))
		lpe_work_done(work);
}

/*
 * Probe at the end of a system call, after which task work runs only at the border. In threads that
 * use io_uring, a work that was queued earlier has often run too early, so it is queued again. If
 * task_work_run() itself is replaced, a work can never switch its thread, so the thread is switched
 * here, if it is at the border.
 */
static void lpe_on_exit(void *data, struct pt_regs *regs, long ret)
{
	struct lpe_thread *thread;
	struct lpe_patch *patch;

	/* In 7.2 probes of system calls are called with preemption on; 6.12 had it off. */
	preempt_disable();
	patch = READ_ONCE(lpe_gate_of);
	thread = lpe_thread_of(current);
	if (!thread || !lpe_is_user(current) || !lpe_needs_work(patch, thread))
		goto out;
	if (patch->mode->by_thread && lpe_own_end(patch, thread, NULL) == LPE_AT_THE_END)
		lpe_switch_self(patch, thread);
	else
		lpe_queue(current, thread, TWA_RESUME);
out:
	preempt_enable();
}

/* Register the probe only if a work has run too early: it slows down every system call. */
static void lpe_watch_exits(void)
{
	if (!lpe_probing && READ_ONCE(lpe_midway))
		lpe_probing = !tracepoint_probe_register(lpe_tp_exit, lpe_on_exit, NULL);
}

/* On return no thread is in lpe_on_exit(). */
static void lpe_watch_no_exits(void)
{
	if (lpe_probing) {
		tracepoint_probe_unregister(lpe_tp_exit, lpe_on_exit, NULL);
		tracepoint_synchronize_unregister();
	}
	lpe_probing = false;
}

static void lpe_is_tracepoint(struct tracepoint *tp, void *data)
{
	if (!strcmp(tp->name, "sys_exit"))
		lpe_tp_exit = tp;
}

int lpe_border_init(void)
{
	for_each_kernel_tracepoint(lpe_is_tracepoint, NULL);
	if (lpe_tp_exit)
		return 0;
	pr_err("this kernel has no tracepoint sys_exit\n");
	return -EOPNOTSUPP;
}

/*
 * Cancel the works of a task that have not started. Return how many these were; one may be of an
 * earlier transition.
 */
static unsigned int lpe_cancel(struct task_struct *task)
{
	struct callback_head *head;
	unsigned int count = 0;

	for (; (head = lpe_work_cancel(task, lpe_at_work)); count++)
		lpe_work_done(container_of(head, struct lpe_work, head));
	return count;
}

/*
 * Queue a work for each user thread that needs one. TWA_RESUME lets sleepers sleep; TWA_SIGNAL
 * wakes those that can be woken, and replaces a work that is still queued.
 */
void lpe_border_add(struct lpe_patch *patch, enum task_work_notify_mode how)
{
	struct task_struct *group, *task;
	struct lpe_thread *thread;

	lpe_watch_exits();
	rcu_read_lock();
	for_each_process_thread(group, task) {
		if (!lpe_is_user(task) || task->flags & PF_EXITING)
			continue;
		thread = lpe_thread_get(task, patch->target);
		if (!thread || !lpe_needs_work(patch, thread))
			continue;
		if (how == TWA_SIGNAL && lpe_cancel(task)) {
			patch->stats.signalled++;
			trace_lppack_signalled(patch->klp->mod->name, task);
		}
		/*
		 * A work was queued behind ours, so the thread is not at the border any more: wake
		 * it in lpe_park() to run that work.
		 */
		if (READ_ONCE(thread->work->parked) && task_work_pending(task))
			lpe_wake(task, TASK_IDLE);
		lpe_queue(task, thread, how);
	}
	rcu_read_unlock();
}

/*
 * Send a fake signal to each thread that still needs to switch: a thread that runs task work where
 * it sleeps would sleep on otherwise.
 */
void lpe_border_signal(struct lpe_patch *patch)
{
	struct task_struct *group, *task;
	struct lpe_thread *thread;

	rcu_read_lock();
	for_each_process_thread(group, task) {
		if (!lpe_is_user(task) || task->flags & PF_EXITING)
			continue;
		thread = lpe_thread_get(task, patch->target);
		if (!thread || !lpe_needs_work(patch, thread))
			continue;
		patch->stats.signalled++;
		trace_lppack_signalled(patch->klp->mod->name, task);
		lpe_fake_signal(task);
	}
	rcu_read_unlock();
}

/*
 * Open the gate: release the held threads, and cancel the works that have not started. A work that
 * runs already ends by itself.
 */
void lpe_border_open(void)
{
	struct task_struct *group, *task;

	WRITE_ONCE(lpe_gate_closed, false);
	wake_up_all(&lpe_gate);
	lpe_watch_no_exits();
	rcu_read_lock();
	for_each_process_thread(group, task)
		lpe_cancel(task);
	rcu_read_unlock();
}

/*
 * The gate stays open. On return no work uses the patch, nor its thread's entry: a work that runs
 * later finds no patch, or the entry points to another work.
 */
void lpe_border_end(void)
{
	WRITE_ONCE(lpe_gate_of, NULL);
	/*
	 * Pairs with preempt_disable() in lpe_arrive(). Expedited, because the end of the
	 * transition is reported only after this.
	 */
	synchronize_rcu_expedited();
}
