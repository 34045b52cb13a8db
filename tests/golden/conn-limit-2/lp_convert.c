// SPDX-License-Identifier: GPL-2.0-only
/*
 * Made by lppack for lppack_conn_limit_2: conversion on access, tracked to be reversed.
 *
 * An instance changes its form only under its own lock. To convert it: if lp_on is set, give it the
 * new form and track it, in one section of that lock, inside an SRCU section. To stop: clear lp_on,
 * wait for the SRCU sections that may have seen it set (then no thread tracks any more), reverse
 * each tracked instance under its lock, and free its shadow variables. If the author's marker is
 * still true after that, the instance is set aside as stuck, with its shadow variables, and is
 * reversed once more by the next stop, perhaps that of a later version.
 *
 * What is tracked is shared by the versions of a series and handed on in the klp_state of the
 * transform, so that a later version can reverse what an earlier one has converted.
 *
 * Lock order, outermost first: lp_phase_lock of lp_glue.c, the lock of the series, the lock of an
 * instance, the lock of a tracking. Callers of lp_convert_stop() and of the setters hold
 * lp_phase_lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/hashtable.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/livepatch.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/processor.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/sysfs.h>
#include <linux/wait.h>

#include "lppack.h"
#include "lp_runtime.h"

/*
 * Limit, in jiffies, of one write to the parameter convert, because readers of parameters wait for
 * it. The wait for the lock of the instance that is just being reversed comes on top.
 */
#define LP_STOP_MAX	HZ

/* Versions of the series whose form an instance may have; ours is the newest. */
#define LP_LEVEL	2

/* Both are shared with other versions: LP_SERIES_ABI identifies their layout. */
struct lp_tracked {
	struct hlist_node node;
	struct list_head link;	/* of converted, or of stuck */
	void *obj;
	unsigned int level;	/* the version that converted it */
	bool busy;		/* being reversed: obj must not be freed */
	bool is_stuck;		/* reverse has left it in the new form */
};

struct lp_tracking {
	struct kref ref;	/* one for each module of the series */
	atomic_long_t count;	/* of converted */
	atomic_long_t stuck_count;
	spinlock_t lock;	/* protects the rest; interrupts may convert, so they are off */
	struct list_head converted;
	struct list_head stuck;
	wait_queue_head_t idle;	/* an entry that was busy has gone */
	DECLARE_HASHTABLE(objects, 12);
};

static bool lp_on;		/* conversion is on; written under lp_phase_lock */
static bool lp_stopping;	/* lp_stop_cookie is valid; under lp_phase_lock */
static unsigned long lp_stop_cookie;
static atomic_long_t lp_left_old = ATOMIC_LONG_INIT(0);
static struct task_struct *lp_without_shadows;	/* this thread is shown none; under lp_phase_lock */
static struct lp_tracking *lp_tracking_conn;	/* from pre_patch to exit */
static struct module *lp_target_conn;	/* while it is patched; under lp_phase_lock */

/* Parameters may be read at any time: even before pre_patch, and after exit. */
static DEFINE_SPINLOCK(lp_trackings_lock);	/* protects the pointers above from being freed */

static struct lp_tracking *lp_tracking_new(void)
{
	struct lp_tracking *t = kvzalloc(sizeof(*t), GFP_KERNEL);

	if (t) {
		kref_init(&t->ref);
		spin_lock_init(&t->lock);
		INIT_LIST_HEAD(&t->converted);
		INIT_LIST_HEAD(&t->stuck);
		init_waitqueue_head(&t->idle);
		hash_init(t->objects);
	}
	return t;
}

/*
 * The lock of an instance is held, and reclaim may need it: so allocate without reclaim. If that
 * fails, the next access tries again.
 */
static struct lp_tracked *lp_tracked_new(void)
{
	return kmalloc(sizeof(struct lp_tracked), GFP_NOWAIT | __GFP_NOWARN);
}

static void lp_tracked_free(struct lp_tracked *entry)
{
	kfree(entry);
}

static struct lp_tracked *lp_find(struct lp_tracking *t, const void *obj)
{
	struct lp_tracked *entry;

	lockdep_assert_held(&t->lock);
	hash_for_each_possible(t->objects, entry, node, (unsigned long)obj)
		if (entry->obj == obj)
			return entry;
	return NULL;
}

/* Put a stuck entry back into the list of those that a stop reverses. */
static void lp_unstick(struct lp_tracking *t, struct lp_tracked *entry)
{
	lockdep_assert_held(&t->lock);
	if (!entry->is_stuck)
		return;
	entry->is_stuck = false;
	list_move_tail(&entry->link, &t->converted);
	atomic_long_dec(&t->stuck_count);
	atomic_long_inc(&t->count);
}

/*
 * Track a converted instance. It may be in the table already: an earlier version has converted it,
 * or other code than this has reversed it.
 */
static void lp_track(struct lp_tracking *t, struct lp_tracked *entry, void *obj)
{
	struct lp_tracked *known;
	unsigned long flags;

	entry->obj = obj;
	entry->level = LP_LEVEL;
	entry->busy = false;
	entry->is_stuck = false;
	spin_lock_irqsave(&t->lock, flags);
	known = lp_find(t, obj);
	if (known) {
		known->level = LP_LEVEL;
		lp_unstick(t, known);
		lp_tracked_free(entry);
	} else {
		hash_add(t->objects, &entry->node, (unsigned long)obj);
		list_add_tail(&entry->link, &t->converted);
		atomic_long_inc(&t->count);
	}
	spin_unlock_irqrestore(&t->lock, flags);
}

static void lp_untrack(struct lp_tracking *t, struct lp_tracked *entry)
{
	lockdep_assert_held(&t->lock);
	hash_del(&entry->node);
	list_del(&entry->link);
	atomic_long_dec(entry->is_stuck ? &t->stuck_count : &t->count);
	lp_tracked_free(entry);
}

static bool lp_is_busy(struct lp_tracking *t, const void *obj)
{
	struct lp_tracked *entry;
	unsigned long flags;
	bool busy;

	spin_lock_irqsave(&t->lock, flags);
	entry = lp_find(t, obj);
	busy = entry && entry->busy;
	spin_unlock_irqrestore(&t->lock, flags);
	return busy;
}

/*
 * The caller is about to free obj: no thread converts it, but one may be reversing it, so wait for
 * that one. If the wait may not sleep, that thread runs on another CPU with softirqs or interrupts
 * off: it ends soon.
 */
static void lp_forget(struct lp_tracking *t, const void *obj, bool may_sleep)
{
	struct lp_tracked *entry;
	unsigned long flags;

	for (;;) {
		spin_lock_irqsave(&t->lock, flags);
		entry = lp_find(t, obj);
		if (!entry || !entry->busy)
			break;
		spin_unlock_irqrestore(&t->lock, flags);
		if (may_sleep)
			wait_event(t->idle, !lp_is_busy(t, obj));
		else
			cpu_relax();
	}
	if (entry)
		lp_untrack(t, entry);
	spin_unlock_irqrestore(&t->lock, flags);
}

/*
 * Take an entry to reverse; NULL if there is none. It is marked busy, so that lp_forget() keeps its
 * instance from being freed while the lock is dropped.
 */
static struct lp_tracked *lp_take(struct lp_tracking *t)
{
	struct lp_tracked *entry;
	unsigned long flags;

	spin_lock_irqsave(&t->lock, flags);
	entry = list_first_entry_or_null(&t->converted, struct lp_tracked, link);
	if (entry)
		entry->busy = true;
	spin_unlock_irqrestore(&t->lock, flags);
	return entry;
}

/*
 * End the reversal of an entry: untrack it, or set it aside as stuck (left). Wake lp_forget(),
 * which may wait to free its instance.
 */
static void lp_give(struct lp_tracking *t, struct lp_tracked *entry, bool left)
{
	unsigned long flags;

	spin_lock_irqsave(&t->lock, flags);
	if (left) {
		entry->busy = false;
		entry->is_stuck = true;
		list_move_tail(&entry->link, &t->stuck);
		atomic_long_dec(&t->count);
		atomic_long_inc(&t->stuck_count);
	} else {
		lp_untrack(t, entry);
	}
	spin_unlock_irqrestore(&t->lock, flags);
	wake_up_all(&t->idle);
}

/*
 * Let all stuck instances be reversed once more: by the next stop, or by that of a later version.
 */
static void lp_unstick_all(struct lp_tracking *t)
{
	struct lp_tracked *entry;
	unsigned long flags;

	do {
		spin_lock_irqsave(&t->lock, flags);
		entry = list_first_entry_or_null(&t->stuck, struct lp_tracked, link);
		if (entry)
			lp_unstick(t, entry);
		spin_unlock_irqrestore(&t->lock, flags);
	} while (entry);
}

static void lp_drop(struct lp_tracking *t)
{
	struct lp_tracked *entry;
	struct hlist_node *next;
	unsigned int bucket;
	unsigned long flags;

	/* There may be millions: interrupts are off for those of one bucket at a time. */
	for (bucket = 0; bucket < HASH_SIZE(t->objects); bucket++) {
		spin_lock_irqsave(&t->lock, flags);
		hlist_for_each_entry_safe(entry, next, &t->objects[bucket], node)
			lp_untrack(t, entry);
		spin_unlock_irqrestore(&t->lock, flags);
		cond_resched();
	}
}

static bool lp_may_convert(void)
{
	return READ_ONCE(lp_on) && lp_series_in_charge();
}

void lp_convert_conn(struct conn *obj)
{
	struct lp_tracked *entry;
	int idx;

	might_sleep();
	/* False is always right; true is checked again under the lock. */
	if (!lp_may_convert())
		return;
	idx = srcu_read_lock(lp_series_srcu());
	lp_conn_lock(obj);
	might_sleep();	/* the lock is one that may sleep */
	if (!lp_conn_is_new(obj) && lp_may_convert()) {
		lp_test_point("conn-sampled");
		entry = lp_tracked_new();
		if (entry && !lp_conn_upgrade(obj)) {
			lp_test_point("conn-untracked");
			lp_track(lp_tracking_conn, entry, obj);
			/* conn_ext, version 1 */
			klp_shadow_free(obj, 16243169022304982835UL, NULL);
		} else {
			lp_tracked_free(entry);
			atomic_long_inc(&lp_left_old);
		}
	}
	lp_conn_unlock(obj);
	srcu_read_unlock(lp_series_srcu(), idx);
}

void lp_forget_conn(struct conn *obj)
{
	might_sleep();
	lp_forget(lp_tracking_conn, obj, true);
	klp_shadow_free(obj, 16243169022304982835UL, NULL);	/* conn_ext */
	klp_shadow_free(obj, 5038572155875873317UL, NULL);	/* conn_ext */
}

/* Reverse one tracked instance. Return false if there is none. */
static bool lp_reverse_one_conn(struct lp_tracking *t)
{
	struct lp_tracked *entry = lp_take(t);
	struct conn *obj;
	bool left;

	if (!entry)
		return false;
	obj = entry->obj;
	lp_conn_lock(obj);
	lp_test_point("conn-reversing");
	/* The marker knows no forms of earlier versions: so reverse these in any case. */
	if (entry->level < LP_LEVEL || lp_conn_is_new(obj))
		lp_conn_downgrade(obj);
	/*
	 * The lock of the instance is held, so this is the form that old code will find. New code
	 * still runs, and needs the shadow variables of an object that stays in the new form.
	 */
	left = lp_conn_is_new(obj);
	if (left) {	/* perhaps only its shadow variables make it new */
		WRITE_ONCE(lp_without_shadows, current);
		left = lp_conn_is_new(obj);
		WRITE_ONCE(lp_without_shadows, NULL);
	}
	if (!left)
		klp_shadow_free(obj, 16243169022304982835UL, NULL);	/* conn_ext */
	if (!left)
		klp_shadow_free(obj, 5038572155875873317UL, NULL);	/* conn_ext */
	lp_conn_unlock(obj);
	lp_give(t, entry, left);
	return true;
}

/* Reverse all tracked instances. -EAGAIN at the end of the time, or for a signal: call it again. */
static int lp_reverse_conn(unsigned long end, bool for_ever)
{
	struct lp_tracking *t = lp_tracking_conn;
	bool more;

	do {
		if (!for_ever && (time_after(jiffies, end) || signal_pending(current)))
			return -EAGAIN;
		more = lp_reverse_one_conn(t);
		cond_resched();	/* it may go on for as long as there are objects */
	} while (more);
	if (atomic_long_read(&t->stuck_count)) {
		pr_err_once("an object is still in the new form after %s()\n",
			    "lp_conn_downgrade");
		return 0;
	}
	/* conn_ext: where forward failed after it was made */
	klp_shadow_free_all(16243169022304982835UL, NULL);
	/* conn_ext: where forward failed after it was made */
	klp_shadow_free_all(5038572155875873317UL, NULL);
	return 0;
}

void lp_drop_conn(void)
{
	lp_drop(lp_tracking_conn);
	klp_shadow_free_all(16243169022304982835UL, NULL);	/* conn_ext */
	klp_shadow_free_all(5038572155875873317UL, NULL);	/* conn_ext */
}

struct conn_ext_v1 *conn_ext_v1_get(struct conn *obj)
{
	/*
	 * A reversal calls the marker to see what old code will find: without the shadow variable.
	 */
	if (READ_ONCE(lp_without_shadows) == current)
		return NULL;
	return klp_shadow_get(obj, 16243169022304982835UL);
}

struct conn_ext *conn_ext_get(struct conn *obj)
{
	/*
	 * A reversal calls the marker to see what old code will find: without the shadow variable.
	 */
	if (READ_ONCE(lp_without_shadows) == current)
		return NULL;
	return klp_shadow_get(obj, 5038572155875873317UL);
}

struct conn_ext *conn_ext_get_or_alloc(struct conn *obj)
{
	struct conn_ext *shadow = klp_shadow_get(obj, 5038572155875873317UL);
	int idx;

	if (shadow)
		return shadow;
	/*
	 * Pairs with the grace period in lp_convert_stop(), which frees all shadow variables after
	 * it.
	 */
	idx = srcu_read_lock(lp_series_srcu());
	if (lp_may_convert())
		shadow = klp_shadow_get_or_alloc(obj, 5038572155875873317UL, sizeof(*shadow),
						 GFP_NOWAIT | __GFP_NOWARN,
						 NULL,
						 NULL);
	srcu_read_unlock(lp_series_srcu(), idx);
	return shadow;
}

void lp_set_target_conn(struct module *mod)
{
	lp_target_conn = mod;
}

/* Entries are left only if a patch was unpatched by hand although instances were stuck. */
static void lp_tracking_release(struct kref *ref)
{
	struct lp_tracking *t = container_of(ref, struct lp_tracking, ref);

	lp_drop(t);
	kvfree(t);
}

static struct lp_tracking *lp_tracking_take(struct klp_patch *patch, unsigned long id)
{
	struct klp_state *before = lp_prev_state(id);
	struct lp_tracking *t = before ? before->data : NULL;

	if (t)
		kref_get(&t->ref);
	else
		t = lp_tracking_new();
	klp_get_state(patch, id)->data = t;
	return t;
}

/*
 * In pre_patch of vmlinux, with klp_mutex and lp_phase_lock held, after lp_series_take(), which has
 * checked that the previous version has the same layout. lp_convert_put() undoes it.
 */
int lp_convert_take(struct klp_patch *patch)
{
	struct lp_tracking *t;

	t = lp_tracking_take(patch, 16993646113643452009UL);
	if (!t)
		return -ENOMEM;
	spin_lock(&lp_trackings_lock);
	lp_tracking_conn = t;
	spin_unlock(&lp_trackings_lock);
	return 0;
}

/* Nothing of this module runs any more, save readers of its parameters. */
void lp_convert_put(void)
{
	struct lp_tracking *t;

	spin_lock(&lp_trackings_lock);
	t = lp_tracking_conn;
	lp_tracking_conn = NULL;
	spin_unlock(&lp_trackings_lock);
	/* No code of the series is left that would use a shadow variable. */
	if (t && kref_put(&t->ref, lp_tracking_release)) {
		klp_shadow_free_all(16243169022304982835UL, NULL);
		klp_shadow_free_all(5038572155875873317UL, NULL);
	}
}

/*
 * The transition is complete. If it was that of a later version, its reverse may do what the
 * earlier one could not: so let stuck instances be reversed once more.
 */
void lp_convert_settle(void)
{
	lp_unstick_all(lp_tracking_conn);
}

void lp_convert_start(void)
{
	lp_stopping = false;
	WRITE_ONCE(lp_on, true);
}

/*
 * Stop conversion: none begins after this; wait for those under way, and reverse what is tracked.
 * -EAGAIN if that takes longer than LP_STOP_MAX, -EINTR for a signal: conversion stays off, and
 * another call goes on with it. With for_ever, wait for as long as it takes.
 */
int lp_convert_stop(bool for_ever)
{
	unsigned long end = jiffies + LP_STOP_MAX;
	int err;

	WRITE_ONCE(lp_on, false);
	if (for_ever || !lp_stopping)
		lp_convert_settle();
	if (for_ever) {
		synchronize_srcu(lp_series_srcu());
	} else {
		/*
		 * All calls wait for the same grace period: one that begins anew in each call might
		 * never end within LP_STOP_MAX.
		 */
		if (!lp_stopping)
			lp_stop_cookie = start_poll_synchronize_srcu(lp_series_srcu());
		lp_stopping = true;
		while (!poll_state_synchronize_srcu(lp_series_srcu(), lp_stop_cookie)) {
			if (time_after(jiffies, end))
				return -EAGAIN;
			if (msleep_interruptible(5))
				return -EINTR;
		}
	}
	/*
	 * While this reference is held the target cannot go. If none can be taken, it is going, and
	 * has run its exit function: tracked instances may be freed memory. Then klp_module_going()
	 * drops them; with for_ever, klp_mutex is held already, so it is done here.
	 */
	if (lp_target_conn && !try_module_get(lp_target_conn)) {
		if (!for_ever)
			return -EAGAIN;
		lp_drop_conn();
		err = 0;
	} else {
		err = lp_reverse_conn(end, for_ever);
		module_put(lp_target_conn);
	}
	if (err)
		return err;
	lp_stopping = false;
	return 0;
}

bool lp_convert_is_on(void)
{
	return READ_ONCE(lp_on);
}

unsigned long lp_convert_count(void)
{
	unsigned long count = 0;

	spin_lock(&lp_trackings_lock);
	if (lp_tracking_conn)
		count += atomic_long_read(&lp_tracking_conn->count);
	spin_unlock(&lp_trackings_lock);
	return count;
}

unsigned long lp_convert_left_old(void)
{
	return atomic_long_read(&lp_left_old);
}

/* A line for each reverse: how many objects it has left in the new form, and its name. */
int lp_convert_still_new(char *buf)
{
	struct lp_tracking *t;
	int at = 0;

	spin_lock(&lp_trackings_lock);
	t = lp_tracking_conn;
	at += sysfs_emit_at(buf, at, "%ld %s\n", t ? atomic_long_read(&t->stuck_count) : 0L,
			    "lp_conn_downgrade");
	spin_unlock(&lp_trackings_lock);
	return at;
}
