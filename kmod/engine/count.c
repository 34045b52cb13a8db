// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: LEAVE_PATCHED_SET SWITCH_KERNEL, where entries and exits are counted.
 *
 * While a transition is under way, calls of replaced functions go to wrappers in the patch module.
 * A wrapper counts the visit and reads its universe in one atomic operation. The thread that ends
 * the last visit switches the kernel, in another one: nothing has to be stopped for that.
 *
 * Visits that began before that are not counted. So the word is armed only in a stop that finds
 * none of them on any stack; from then on the count alone decides.
 *
 * With TRANSFORM_WORLD the word is never armed: functions and data have to switch in one stop, so
 * the worker stops the machine and reads the count there. The thread that ends the last visit
 * cannot stop the machine, as it may hold a lock, or run in a softirq.
 *
 * Outside of transitions calls go to the old or the new function directly. Visits that are still in
 * a wrapper then are of the same universe, and stay in the count until they end.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "internal.h"

/* ms between two checks for threads in the way, once visits are counted; each is a stop */
#define LPE_LOOK	200

static unsigned long lpe_next_look;	/* jiffies; the worker's */

static u32 lpe_universe(long word)
{
	return word & LPE_IN_NEW ? LPE_NEW : LPE_OLD;
}

/*
 * Return the number of visits. Below 0: a visit that lpe_look() took for dead has ended after all.
 */
static long lpe_visits(long word)
{
	return (s32)(word & LPE_VISITS) / LPE_VISIT;
}

/*
 * In a stop. Arm the word if all visits are counted. If the count is lower than the number of
 * visits on stacks, the word is not armed, because the kernel would switch with a thread inside;
 * lpe_look() corrects the count as soon as no thread is inside.
 */
static int lpe_arm(void *data)
{
	struct lpe_patch *patch = data;
	atomic_long_t *word = &patch->counter->word;

	lpe_no_blockers(patch);
	patch->seen = 0;
	if (!lpe_each_task(patch, lpe_is_counted) ||
	    lpe_visits(atomic_long_read(word)) < patch->seen)
		return -EAGAIN;
	atomic_long_or(LPE_ARMED, word);
	/* If no visit is under way, no lpe_leave() will switch the kernel. */
	lpe_switch_if_last(patch->counter, atomic_long_read(word));
	return 0;
}

/*
 * In a stop. Correct the count, and list the blockers. If no stack shows a thread inside, the
 * visits that are still counted are of threads that died in them: an oops can end a thread
 * anywhere.
 *
 * But an exiting thread is on no list during its last steps, and may be inside. So this takes two
 * looks; after the first (-EAGAIN), lpe_look_twice() waits for all exiting threads. If the second
 * look finds the same number of visits and of entries, the visits are of dead threads. If another
 * thread has entered meanwhile, the same number of visits may include another exiting thread.
 */
static int lpe_look(void *data)
{
	struct lpe_patch *patch = data;
	atomic_long_t *word = &patch->counter->word;
	long found = atomic_long_read(word) & ~(LPE_ARMED | LPE_IN_NEW), lost = lpe_visits(found);

	if (!lpe_all_ready(patch) || !lost)
		return 0;
	if (found != patch->unseen) {
		patch->unseen = found;
		return -EAGAIN;
	}
	if (lost > 0)
		patch->stats.lost += lost;
	atomic_long_and(LPE_ARMED | LPE_IN_NEW, word);
	lpe_switch_if_last(patch->counter, atomic_long_read(word));
	return 0;
}

/* Make both looks of lpe_look(). The next call begins with a first look again. */
static void lpe_look_twice(struct lpe_patch *patch)
{
	unsigned long lost = patch->stats.lost;

	patch->unseen = 0;
	if (lpe_stop(lpe_look, patch)) {
		synchronize_rcu_tasks();	/* for exiting threads: exit_tasks_rcu_start() */
		lpe_stop(lpe_look, patch);
	}
	lost = patch->stats.lost - lost;
	if (lost)
		pr_warn("'%s': %lu threads have died in replaced functions\n",
			patch->klp->mod->name, lost);
}

/*
 * In a stop, with TRANSFORM_WORLD: flips if no thread is inside. Threads that are on no list any
 * more show only in the count; the others' stacks are checked too, as the count may be too low.
 */
static int lpe_flip_counted(void *data)
{
	struct lpe_patch *patch = data;
	atomic_long_t *word = &patch->counter->word;
	int err;

	if (!lpe_all_ready(patch) || lpe_visits(atomic_long_read(word)))
		return -EAGAIN;
	err = lpe_world_turn(patch);
	if (!err)
		atomic_long_xor(LPE_IN_NEW, word);
	return err;
}

/* Calls that begin from now on are counted; the counter is in the universe that is to be left. */
void lpe_count_begin(struct lpe_patch *patch)
{
	lpe_next_look = jiffies + msecs_to_jiffies(LPE_LOOK);
	WRITE_ONCE(patch->route, LPE_BY_COUNT);
}

/* Return 0 if the kernel has switched, -EAGAIN if not yet, or the error of a transform. */
int lpe_count_try(struct lpe_patch *patch)
{
	atomic_long_t *word = &patch->counter->word;
	long now = atomic_long_read(word);
	int err;

	if (lpe_universe(now) == patch->target)
		return 0;
	if (patch->world) {
		err = lpe_stop(lpe_flip_counted, patch);
		if (err != -EAGAIN)
			return err;
	} else if (!(now & LPE_ARMED)) {
		lpe_stop(lpe_arm, patch);
	}
	if (time_after(jiffies, lpe_next_look)) {
		lpe_look_twice(patch);
		lpe_next_look = jiffies + msecs_to_jiffies(LPE_LOOK);
	}
	return lpe_universe(atomic_long_read(word)) == patch->target ? 0 : -EAGAIN;
}

/*
 * Disarm the word and stop counting. Return 0 if the kernel has switched, perhaps at the last
 * moment, else -EAGAIN. On return no visit can switch it any more.
 */
int lpe_count_end(struct lpe_patch *patch)
{
	u32 universe = lpe_universe(atomic_long_fetch_andnot(LPE_ARMED, &patch->counter->word));

	WRITE_ONCE(patch->route, universe);
	return universe == patch->target ? 0 : -EAGAIN;
}
