// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: the transition of each mode from one universe to the other. Runs in the worker.
 *
 * The worker never waits for threads with lpe_lock held. To request a reversal, set patch->turn and
 * wake the worker; only the worker changes the target.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/module.h>

#include "faults.h"
#include "lppack_trace.h"
#include "threads.h"
#include "transition.h"

/* ms */
#define LPE_LONG_PAUSE	5000
#define LPE_SIGNAL	800	/* after this time sleepers are woken */
#define LPE_SIGNAL_ALL	200	/* the same where sleepers must leave the kernel */

#define LPE_TOO_LONG	"it took longer than deadline_ms"

static u32 lpe_other(u32 universe)
{
	return universe == LPE_NEW ? LPE_OLD : LPE_NEW;
}

bool lpe_turned(struct lpe_patch *patch)
{
	return READ_ONCE(patch->turn);
}

bool lpe_is_over(struct lpe_patch *patch, unsigned long begin)
{
	unsigned int ms = READ_ONCE(patch->deadline_ms);

	return ms && time_after(jiffies, begin + msecs_to_jiffies(ms));
}

/*
 * Return the pause before the next try, in ms. Each try disturbs the whole machine; and the longer
 * the transition takes, the less likely a try changes anything. So pause for a sixteenth of the
 * time that has passed, or until the budget allows another stop, but at most for LPE_LONG_PAUSE.
 */
unsigned int lpe_step(struct lpe_patch *patch, unsigned long begin)
{
	unsigned int ms = clamp(jiffies_to_msecs(jiffies - begin) / 16, 4U, 320U);

	return max(ms, min(lpe_stop_pause(patch), LPE_LONG_PAUSE));
}

bool lpe_is_due(struct lpe_patch *patch, unsigned long begin, unsigned int ms)
{
	return READ_ONCE(patch->signals) && time_after(jiffies, begin + msecs_to_jiffies(ms));
}

/* True if it is time to wake threads that sleep where they may not stay. */
bool lpe_wakes(struct lpe_patch *patch, unsigned long begin)
{
	return lpe_is_due(patch, begin, patch->mode->leave_kernel ? LPE_SIGNAL_ALL : LPE_SIGNAL);
}

/*
 * LEAVE_FUNCTION SWITCH_FUNCTION: switch each function by itself, now. lpe_lock is held against
 * lpe_come(), which sets own of the functions of a module that is being loaded.
 */
static void lpe_switch_functions(struct lpe_patch *patch)
{
	struct lpe_object *obj;
	struct lpe_func *func;

	mutex_lock(&lpe_lock);
	lpe_for_each_object(patch, obj)
		lpe_for_each_func(obj, func)
			WRITE_ONCE(func->own, patch->target);
	mutex_unlock(&lpe_lock);
}

/* In a stop: convert the data, then switch all functions with one write. */
int lpe_flip(void *data)
{
	struct lpe_patch *patch = data;
	int err;

	lpe_assert_stopped();
	lpe_test_point(LPE_AT_FLIP);
	err = lpe_world_turn(patch);
	if (!err)
		WRITE_ONCE(patch->route, patch->target);
	return err;
}

/* SWITCH_KERNEL: all or nothing. */
static int lpe_try_flip(void *data)
{
	return lpe_all_ready(data) ? lpe_flip(data) : -EAGAIN;
}

/* Try once to switch the kernel. -EAGAIN: not now; any other error is final. */
int lpe_try(struct lpe_patch *patch)
{
	int err;

	patch->stats.tries++;
	err = patch->mode->counted ? lpe_count_try(patch) : lpe_stop(lpe_try_flip, patch);
	if (err == -EAGAIN)
		err = lpe_world_provide(patch) ?: -EAGAIN;
	return err;
}

static int lpe_switch_kernel(struct lpe_patch *patch)
{
	int err;

	if (patch->mode->counted)
		lpe_count_begin(patch);
	err = lpe_try(patch);
	if (err == -EAGAIN)
		err = lpe_gates(patch);
	return patch->mode->counted && !lpe_count_end(patch) ? 0 : err;
}

static bool lpe_sweep_task(struct lpe_patch *patch, struct task_struct *task)
{
	/* A thread without an entry has started since the last stop, in universe lpe_rest. */
	struct lpe_thread *thread = lpe_thread_get(task, patch->target);

	if (!thread)
		return false;
	if (READ_ONCE(thread->universe) == patch->target)
		return true;
	if (!lpe_is_ready(patch, task))
		return false;
	WRITE_ONCE(thread->universe, patch->target);
	return true;
}

/*
 * In a stop, SWITCH_THREAD: switch each thread that is ready; if all have switched, set the route
 * of the patch.
 */
static int lpe_sweep(void *data)
{
	struct lpe_patch *patch = data;

	patch->stats.tries++;
	lpe_no_blockers(patch);
	if (!lpe_each_task(patch, lpe_sweep_task))
		return -EAGAIN;
	lpe_test_point(LPE_AT_FLIP);
	WRITE_ONCE(patch->route, patch->target);
	return 0;
}

static bool lpe_keep_task(struct lpe_patch *patch, struct task_struct *task)
{
	struct lpe_thread *thread = lpe_thread_get(task, patch->target);

	if (thread && lpe_leaves_out(LPE_NO_MEMORY))
		WRITE_ONCE(thread->universe, lpe_other(patch->target));
	return thread;
}

/*
 * In a stop: reverse a transition. Threads keep their universes; the target is now the other one.
 */
static int lpe_turn_round(void *data)
{
	struct lpe_patch *patch = data;

	/*
	 * A thread without an entry is in the target as it was, and needs an entry to stay there.
	 */
	if (!lpe_each_task(patch, lpe_keep_task))
		return -ENOMEM;
	patch->target = lpe_other(patch->target);
	WRITE_ONCE(lpe_rest, patch->target);
	return 0;
}

/* Tell that the transition goes the other way from now on. */
void lpe_tell_turned(const struct lpe_patch *patch)
{
	trace_lppack_turned(patch->klp->mod->name, patch->target == LPE_NEW);
	pr_notice("'%s': reversing transition, now %s\n", patch->klp->mod->name,
		  patch->target == LPE_NEW ? "patching" : "unpatching");
}

/* Reverse a transition of SWITCH_THREAD. False: there is no memory; the caller tries again. */
static bool lpe_turn(struct lpe_patch *patch)
{
	if (lpe_threads_refill() || lpe_stop(lpe_turn_round, patch))
		return false;
	mutex_lock(&lpe_lock);
	patch->turn = false;
	patch->phase = patch->target == LPE_NEW ? LPE_PATCHING : LPE_UNPATCHING;
	mutex_unlock(&lpe_lock);
	lpe_tell_turned(patch);
	return true;
}

static int lpe_switch_threads(struct lpe_patch *patch)
{
	unsigned long begin = jiffies;
	bool wake, back = false;
	int err;

	err = lpe_threads_begin(patch);
	if (err)
		return err;
	lpe_border_begin(patch);
	while (lpe_stop(lpe_sweep, patch)) {
		if (lpe_turned(patch) || (!back && lpe_is_over(patch, begin))) {
			/*
			 * The deadline does not hold for a reversed transition: that one runs to
			 * its end.
			 */
			if (!lpe_turned(patch))
				lpe_tell(patch, NULL, LPE_TOO_LONG, -ETIMEDOUT);
			if (lpe_turn(patch)) {
				back = true;
				begin = jiffies;
			} else {
				/* lpe_pause() returns at once while a reversal is requested. */
				schedule_timeout_idle(msecs_to_jiffies(lpe_step(patch, begin)));
			}
		}
		wake = lpe_wakes(patch, begin);
		lpe_border_add(patch, wake ? TWA_SIGNAL : TWA_RESUME);
		if (wake && lpe_is_due(patch, begin, LPE_FAKE))
			lpe_border_signal(patch);
		lpe_threads_refill();
		lpe_pause(lpe_step(patch, begin));
	}
	lpe_border_open();
	lpe_border_end();
	return 0;
}

static int lpe_is_unused(void *data)
{
	return lpe_all_outside(data) ? 0 : -EAGAIN;
}

/*
 * All threads are in the old universe. Wait until none runs the new functions (LEAVE_FUNCTION) or
 * other code of the patch's module any more. -EINTR: reversed meanwhile.
 */
static int lpe_drain(struct lpe_patch *patch)
{
	unsigned long begin = jiffies;

	while (lpe_stop(lpe_is_unused, patch)) {
		if (lpe_turned(patch))
			return -EINTR;
		lpe_pause(lpe_step(patch, begin));
	}
	return 0;
}

static void lpe_give_up(struct lpe_patch *patch, int err)
{
	const struct lpe_problem *problem = &patch->problem;

	if (err == -EINTR)
		lpe_tell(patch, NULL, NULL, 0);	/* it was requested */
	else if (!problem->what)
		lpe_tell(patch, NULL, err == -ETIMEDOUT ? LPE_TOO_LONG : "no memory", err);
	pr_notice("'%s': transition given up: %s%s%s: %d\n", patch->klp->mod->name,
		  problem->transform ?: "", problem->transform ? ": " : "",
		  problem->what ?: "reversed", err);
}

/*
 * Run a transition to its end, with its reversals. The threads' entries stay: lpe_move() frees them
 * after it has reported the end of the transition, because that takes long.
 */
void lpe_run(struct lpe_patch *patch)
{
	int err = 0;

	for (;;) {
		if (patch->mode->at_once)
			lpe_switch_functions(patch);
		else if (patch->mode->by_thread)
			err = lpe_switch_threads(patch);
		else
			err = lpe_switch_kernel(patch);
		if (err) {
			/*
			 * Nothing has switched, so the universe is the one from which the
			 * transition began.
			 */
			lpe_give_up(patch, err);
			mutex_lock(&lpe_lock);
			patch->target = lpe_other(patch->target);
			patch->turn = false;
			mutex_unlock(&lpe_lock);
			lpe_tell_turned(patch);
		}
		mutex_lock(&lpe_lock);
		patch->phase = patch->target == LPE_NEW ? LPE_PATCHING : LPE_UNPATCHING;
		patch->draining = patch->target == LPE_OLD;
		mutex_unlock(&lpe_lock);
		if (!patch->draining || !lpe_drain(patch))
			return;
		mutex_lock(&lpe_lock);
		patch->draining = false;
		patch->turn = false;
		patch->target = LPE_NEW;
		mutex_unlock(&lpe_lock);
		lpe_tell_turned(patch);
		lpe_threads_end();
	}
}
