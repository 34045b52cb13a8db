// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: threads at the border to user space.
 *
 * Each user thread gets a task work that runs when it next comes to the border. There, while the
 * gate is closed, it waits: that keeps threads out of the kernel until a stop has found all others
 * outside as well. Where threads switch one by one it does so itself, there and then.
 *
 * A gate is closed for a bounded time, which the held thread keeps for itself: it goes on even if
 * nobody opens.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/wait.h>

#include "faults.h"
#include "lppack_trace.h"
#include "threads.h"

#define LPE_OWN_STACK	32

static struct lpe_patch *lpe_gate_of;	/* whose transition it is; written by the worker */
static unsigned long lpe_gate_end;	/* jiffies; valid while the gate is closed */
static bool lpe_gate_closed;
static DECLARE_WAIT_QUEUE_HEAD(lpe_gate);
static DECLARE_WAIT_QUEUE_HEAD(lpe_works_gone);
static atomic_t lpe_works = ATOMIC_INIT(0);	/* queued, or running */

static struct tracepoint *lpe_tp_exit;	/* sys_exit */
static bool lpe_midway;		/* a work ran in the middle of a system call */
static bool lpe_probing;	/* lpe_on_exit() is registered; used by the worker alone */

static bool lpe_is_at_border(void)
{
	unsigned long entries[LPE_OWN_STACK];
	unsigned int count = stack_trace_save(entries, ARRAY_SIZE(entries), 0);

	return lpe_at_border(entries, count);
}

static void lpe_work_is_gone(void)
{
	if (atomic_dec_and_test(&lpe_works))
		wake_up(&lpe_works_gone);
}

/*
 * Not at the border: io_uring runs task work in the middle of its system calls. It is not queued
 * again from here, where it would run at once and for ever, but at the end of the system call.
 */
static void lpe_at_work(struct callback_head *work)
{
	struct lpe_thread *thread = container_of(work, struct lpe_thread, work);
	struct lpe_patch *patch = READ_ONCE(lpe_gate_of);

	if (current->flags & PF_EXITING) {
		/* on its way out */
	} else if (lpe_is_at_border() || lpe_leaves_out(LPE_NO_WORK_CHECK)) {
		if (patch->mode->by_thread) {
			lpe_test_point(LPE_IN_WORK);
			/* A stop may turn the transition round: before this, or after. */
			preempt_disable();
			WRITE_ONCE(thread->universe, READ_ONCE(patch->target));
			preempt_enable();
		}
		if (READ_ONCE(lpe_gate_closed)) {
			long left = READ_ONCE(lpe_gate_end) - jiffies;

			atomic_long_inc(&patch->stats.held);
			trace_lppack_held(patch->klp->mod->name, current);
			if (left > 0)
				wait_event_idle_timeout(lpe_gate, !READ_ONCE(lpe_gate_closed),
							left);
		}
	} else {
		WRITE_ONCE(lpe_midway, true);
	}
	WRITE_ONCE(thread->queued, false);
	lpe_work_is_gone();
}

/* Works that are queued from now on are for this transition; the gate is open. */
void lpe_border_begin(struct lpe_patch *patch)
{
	WRITE_ONCE(lpe_midway, false);
	WRITE_ONCE(lpe_gate_closed, false);
	WRITE_ONCE(lpe_gate_of, patch);
}

/* From now on threads that come to the border stay there, for so long at most. */
void lpe_border_close(unsigned int ms)
{
	WRITE_ONCE(lpe_gate_end, jiffies + msecs_to_jiffies(ms));
	WRITE_ONCE(lpe_gate_closed, true);
}

static bool lpe_needs_work(struct lpe_patch *patch, struct lpe_thread *thread)
{
	return !patch->mode->by_thread || READ_ONCE(thread->universe) != READ_ONCE(patch->target);
}

/* With preemption off, or under rcu_read_lock() and from the worker: the entry stays. */
static void lpe_queue(struct task_struct *task, struct lpe_thread *thread,
		      enum task_work_notify_mode how)
{
	if (xchg(&thread->queued, true))
		return;
	atomic_inc(&lpe_works);
	init_task_work(&thread->work, lpe_at_work);
	if (lpe_work_add(task, &thread->work, how)) {
		WRITE_ONCE(thread->queued, false);
		lpe_work_is_gone();
	}
}

/*
 * The end of a system call, after which no more task work is run in it. Where threads use io_uring
 * a work that was queued before has often been used up by then.
 */
static void lpe_on_exit(void *data, struct pt_regs *regs, long ret)
{
	struct lpe_patch *patch = READ_ONCE(lpe_gate_of);
	struct lpe_thread *thread = lpe_thread_of(current);

	if (thread && lpe_is_user(current) && lpe_needs_work(patch, thread))
		lpe_queue(current, thread, TWA_RESUME);
}

/* Only where it is needed: it makes each system call of the machine slower. */
static void lpe_watch_exits(void)
{
	if (!lpe_probing && READ_ONCE(lpe_midway))
		lpe_probing = !tracepoint_probe_register(lpe_tp_exit, lpe_on_exit, NULL);
}

/* On return nobody is in lpe_on_exit(). */
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
 * Every user thread that has none gets a work. TWA_RESUME lets sleepers sleep; TWA_SIGNAL wakes
 * those that may be woken, and also takes the place of a work that still waits.
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
		if (how == TWA_SIGNAL && lpe_work_cancel(task, lpe_at_work)) {
			patch->stats.prodded++;
			trace_lppack_prodded(patch->klp->mod->name, task);
			WRITE_ONCE(thread->queued, false);
			lpe_work_is_gone();
		}
		lpe_queue(task, thread, how);
	}
	rcu_read_unlock();
}

/* For those that run task work where they sleep, and sleep on. */
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
		patch->stats.prodded++;
		trace_lppack_prodded(patch->klp->mod->name, task);
		lpe_fake_signal(task);
	}
	rcu_read_unlock();
}

/* Lets everybody go, and takes back what waits. On return no work is left, and none runs. */
void lpe_border_open(void)
{
	struct task_struct *group, *task;
	struct lpe_thread *thread;

	WRITE_ONCE(lpe_gate_closed, false);
	lpe_watch_no_exits();
	wake_up_all(&lpe_gate);
	do {
		rcu_read_lock();
		for_each_process_thread(group, task) {
			struct callback_head *work = lpe_work_cancel(task, lpe_at_work);

			if (!work)
				continue;
			thread = container_of(work, struct lpe_thread, work);
			WRITE_ONCE(thread->queued, false);
			lpe_work_is_gone();
		}
		rcu_read_unlock();
	} while (!wait_event_idle_timeout(lpe_works_gone, !atomic_read(&lpe_works), HZ / 10));
}
