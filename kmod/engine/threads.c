// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: the universe of each thread, while a transition is under way.
 *
 * The key of an entry is the address of a task_struct. A stop adds an entry for each existing
 * thread. When a task_struct is freed, its entry is taken out of the table; the entry itself is
 * freed at the end of the transition, when no pointer to it can be in use any more.
 *
 * A thread that starts later has no entry, and is in the target universe: its stack is empty, so it
 * is outside of everything that has to be left. The next stop gives it an entry, and a stop that
 * reverses the transition does so first. Without memory for entries a transition cannot begin,
 * reverse or end.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/tracepoint.h>

#include "faults.h"
#include "threads.h"

/* Read without a lock by lpe_redirect(), and in stops; written under lpe_threads_lock. */
struct hlist_head lpe_threads[1 << LPE_THREADS_BITS];
u32 lpe_rest;

/*
 * Protects the table and the lists below. Taken in process context, in the softirq that frees
 * tasks, and in stops. Holders have interrupts off, so no other thread can hold it in a stop.
 */
static DEFINE_SPINLOCK(lpe_threads_lock);
static HLIST_HEAD(lpe_pool);		/* entries not in use */
static HLIST_HEAD(lpe_graves);		/* entries taken out of the table */
static unsigned int lpe_pool_size;
static bool lpe_active;			/* a transition uses the table */

static bool lpe_probing;		/* lpe_on_free() is registered; used by the worker alone */
static struct tracepoint *lpe_tp_free;

/* More entries than threads are likely to start between two stops. */
#define LPE_SLACK	128
/*
 * Attempts to give all threads an entry, each with more entries, if many threads start meanwhile.
 */
#define LPE_MARKS	5

static void lpe_free(struct lpe_thread *thread)
{
	/* A work that is still queued is freed later, with its last reference. */
	lpe_work_put(thread->work);
	kfree(thread);
}

static struct lpe_thread *lpe_new(void)
{
	struct lpe_thread *thread = kzalloc(sizeof(*thread), GFP_KERNEL);

	if (!thread)
		return NULL;
	thread->work = lpe_work_new();
	if (thread->work)
		return thread;
	kfree(thread);
	return NULL;
}

static void lpe_free_list(struct hlist_head *head)
{
	struct lpe_thread *thread;
	struct hlist_node *next;

	hlist_for_each_entry_safe(thread, next, head, node) {
		hlist_del(&thread->node);
		lpe_free(thread);
	}
}

/*
 * Return the entry of a task. If it has none, give it one from the pool, in that universe. NULL if
 * the pool is empty, or no transition uses the table.
 */
struct lpe_thread *lpe_thread_get(struct task_struct *task, u32 universe)
{
	struct lpe_thread *thread;
	unsigned long flags;

	spin_lock_irqsave(&lpe_threads_lock, flags);
	thread = lpe_thread_of(task);
	if (!thread && lpe_active) {
		thread = hlist_entry_safe(lpe_pool.first, struct lpe_thread, node);
		if (thread) {
			hlist_del(&thread->node);
			lpe_pool_size--;
			thread->task = task;
			thread->universe = universe;
			hlist_add_head_rcu(&thread->node, lpe_threads_head(task));
		}
	}
	spin_unlock_irqrestore(&lpe_threads_lock, flags);
	return thread;
}

/*
 * In a stop: note that the task is in the way. If it sleeps there, and has not run since an earlier
 * stop at the same gate, a closed gate does not get it out: it is patch->asleep.
 */
void lpe_thread_watch(struct lpe_patch *patch, struct task_struct *task)
{
	struct lpe_thread *thread = lpe_thread_of(task);
	unsigned long switches = task->nvcsw + task->nivcsw;

	lpe_assert_stopped();
	if (!thread)
		return;
	if (thread->gate == patch->gate) {
		if (thread->switches == switches && !task_is_running(task))
			patch->asleep = thread;
	} else if (patch->closed) {
		thread->gate = patch->gate;
		thread->switches = switches;
	}
}

/* In the worker: true if the task still sleeps where lpe_thread_watch() has seen it. */
bool lpe_thread_sleeps(const struct lpe_thread *thread)
{
	const struct task_struct *task;
	unsigned long flags;
	bool sleeps;

	/* Against lpe_on_free(): the task is freed only after that has taken the lock. */
	spin_lock_irqsave(&lpe_threads_lock, flags);
	task = thread->task;
	sleeps = task && !task_is_running(task) && task->nvcsw + task->nivcsw == thread->switches;
	spin_unlock_irqrestore(&lpe_threads_lock, flags);
	return sleeps;
}

static void lpe_on_free(void *data, struct task_struct *task)
{
	struct lpe_thread *thread;
	unsigned long flags;

	spin_lock_irqsave(&lpe_threads_lock, flags);
	thread = lpe_thread_of(task);
	if (thread) {
		hlist_del_rcu(&thread->node);
		/* Its work has run: a task runs all of them when it exits. */
		thread->task = NULL;
		hlist_add_head(&thread->grave, &lpe_graves);
	}
	spin_unlock_irqrestore(&lpe_threads_lock, flags);
}

static unsigned int lpe_count_threads(void)
{
	struct task_struct *group, *task;
	unsigned int count = num_possible_cpus();

	rcu_read_lock();
	for_each_process_thread(group, task)
		count++;
	rcu_read_unlock();
	return count;
}

static int lpe_fill(unsigned int wanted)
{
	struct lpe_thread *thread;
	unsigned long flags;

	while (READ_ONCE(lpe_pool_size) < wanted) {
		thread = lpe_new();
		if (!thread)
			return -ENOMEM;
		spin_lock_irqsave(&lpe_threads_lock, flags);
		hlist_add_head(&thread->node, &lpe_pool);
		lpe_pool_size++;
		spin_unlock_irqrestore(&lpe_threads_lock, flags);
		cond_resched();
	}
	return 0;
}

/* Between two stops: fill the pool for threads that may start until the next one. */
int lpe_threads_refill(void)
{
	return lpe_fill(LPE_SLACK + lpe_count_threads() / 4);
}

static bool lpe_mark(struct lpe_patch *patch, struct task_struct *task)
{
	return lpe_thread_get(task, patch->target == LPE_NEW ? LPE_OLD : LPE_NEW);
}

/*
 * In a stop: give all threads an entry in the universe that they have to leave. With SWITCH_THREAD
 * each call looks up its thread from here on.
 */
static int lpe_mark_all(void *data)
{
	struct lpe_patch *patch = data;

	lpe_active = true;
	lpe_rest = patch->target;
	if (!lpe_each_task(patch, lpe_mark))
		return -ENOMEM;
	if (patch->mode->by_thread)
		WRITE_ONCE(patch->route, LPE_BY_THREAD);
	return 0;
}

int lpe_threads_begin(struct lpe_patch *patch)
{
	unsigned int tries = LPE_MARKS;
	int err;

	err = lpe_fill(lpe_count_threads() * 5 / 4 + LPE_SLACK);
	if (!err)
		err = tracepoint_probe_register(lpe_tp_free, lpe_on_free, NULL);
	if (err)
		return err;
	lpe_probing = true;
	do {
		err = lpe_stop(lpe_mark_all, patch);
	} while (err && --tries && !lpe_fill(lpe_count_threads() * 5 / 4 + LPE_SLACK));
	return err;
}

/*
 * Free all entries. Call it when the route is LPE_OLD or LPE_NEW again, after lpe_border_end();
 * also if lpe_threads_begin() has failed, or was not called.
 */
void lpe_threads_end(void)
{
	struct lpe_thread *thread;
	struct hlist_node *next;
	unsigned long flags;
	unsigned int i;

	if (!lpe_probing) {	/* no entry is visible */
		lpe_free_list(&lpe_pool);
		lpe_pool_size = 0;
		return;
	}
	tracepoint_probe_unregister(lpe_tp_free, lpe_on_free, NULL);
	lpe_probing = false;
	tracepoint_synchronize_unregister();
	spin_lock_irqsave(&lpe_threads_lock, flags);
	lpe_active = false;
	for (i = 0; i < ARRAY_SIZE(lpe_threads); i++)
		hlist_for_each_entry_safe(thread, next, &lpe_threads[i], node) {
			hlist_del_rcu(&thread->node);
			hlist_add_head(&thread->grave, &lpe_graves);
		}
	spin_unlock_irqrestore(&lpe_threads_lock, flags);
	/*
	 * Pairs with preempt_disable_notrace() in lpe_universe_of_thread(), which may run where RCU
	 * is not watching: so wait until each CPU has scheduled (rude). The other call waits for
	 * threads that were preempted in an ftrace call, so that the engine may be unloaded.
	 */
	synchronize_rcu_tasks_rude();
	if (!lpe_leaves_out(LPE_RUDE_ONLY))
		synchronize_rcu_tasks();
	hlist_for_each_entry_safe(thread, next, &lpe_graves, grave) {
		hlist_del(&thread->grave);
		lpe_free(thread);
	}
	lpe_free_list(&lpe_pool);
	lpe_pool_size = 0;
}

static void lpe_is_tracepoint(struct tracepoint *tp, void *data)
{
	if (!strcmp(tp->name, "sched_process_free"))
		lpe_tp_free = tp;
}

int lpe_threads_init(void)
{
	for_each_kernel_tracepoint(lpe_is_tracepoint, NULL);
	if (lpe_tp_free)
		return 0;
	pr_err("this kernel has no tracepoint sched_process_free\n");
	return -EOPNOTSUPP;
}
