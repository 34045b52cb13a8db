// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: how much of the machine's time a transition may take. Called by the worker, except
 * lpe_moving_time().
 *
 * A transition disturbs in two ways: stops, in which no thread runs, and a closed gate, which holds
 * threads that have nothing to do with the patch. Each has a budget: a free amount, so that a short
 * transition is not delayed, and a share of the time that has passed since the transition began.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>

#include "faults.h"
#include "internal.h"

#define LPE_FREE_STOP	(50 * NSEC_PER_MSEC)
#define LPE_FREE_HOLD	(700 * NSEC_PER_MSEC)
/* For LEAVE_KERNEL, as sleepers must be woken; that begins late, see LPE_FAKE. */
#define LPE_FREE_WAKE	(3000 * NSEC_PER_MSEC)

static u64 lpe_passed(const struct lpe_patch *patch)
{
	return ktime_get_mono_fast_ns() - patch->began;
}

void lpe_budget_begin(struct lpe_patch *patch)
{
	WRITE_ONCE(patch->began, ktime_get_mono_fast_ns());
	patch->stopped_before = patch->stats.stopped;
	patch->closed_before = patch->stats.closed;
}

void lpe_budget_end(struct lpe_patch *patch)
{
	patch->stats.moving += lpe_passed(patch);
	WRITE_ONCE(patch->began, 0);
}

/* For sysfs, without a lock: ns of all transitions, with the one that is under way. */
u64 lpe_moving_time(const struct lpe_patch *patch)
{
	u64 began = READ_ONCE(patch->began);

	return READ_ONCE(patch->stats.moving) + (began ? ktime_get_mono_fast_ns() - began : 0);
}

/* Return what may still be spent, in ns; below 0: what is lacking. */
static s64 lpe_left(const struct lpe_patch *patch, u64 spent, u64 free, unsigned int percent)
{
	if (lpe_leaves_out(LPE_NO_BUDGET))
		return 10 * NSEC_PER_SEC;
	return free + div_u64(lpe_passed(patch) * percent, 100) - spent;
}

/* Return the ms until a budget has grown by lacking ns. */
static unsigned int lpe_until(s64 lacking, unsigned int percent)
{
	return lacking > 0 ? div_u64(lacking * 100, percent * NSEC_PER_MSEC) + 1 : 0;
}

static s64 lpe_left_stop(const struct lpe_patch *patch, unsigned int percent)
{
	return lpe_left(patch, patch->stats.stopped - patch->stopped_before, LPE_FREE_STOP,
			percent);
}

/* Return the ms until the machine may be stopped again; 0: now. */
unsigned int lpe_stop_pause(const struct lpe_patch *patch)
{
	unsigned int percent = READ_ONCE(patch->max_stop);

	return lpe_until(-lpe_left_stop(patch, percent), percent);
}

static s64 lpe_left_hold(const struct lpe_patch *patch, unsigned int percent)
{
	return lpe_left(patch, patch->stats.closed - patch->closed_before,
			patch->mode->leave_kernel ? LPE_FREE_WAKE : LPE_FREE_HOLD, percent);
}

/* Return the ms until the budget allows to close the gate for ms; 0: now. */
unsigned int lpe_hold_pause(const struct lpe_patch *patch, unsigned int ms)
{
	unsigned int percent = READ_ONCE(patch->max_hold);

	return lpe_until(ms * NSEC_PER_MSEC - lpe_left_hold(patch, percent), percent);
}

/* Return the ms for which the gate may be closed now. */
unsigned int lpe_hold_left(const struct lpe_patch *patch)
{
	s64 left = lpe_left_hold(patch, READ_ONCE(patch->max_hold));

	return left > 0 ? div_u64(left, NSEC_PER_MSEC) : 0;
}
