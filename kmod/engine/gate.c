// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: SWITCH_KERNEL under load. Some thread is always inside, so user threads are held
 * at the border until a stop finds no thread in the way. Runs in the engine's worker.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/minmax.h>

#include "faults.h"
#include "internal.h"
#include "transition.h"

/* ms */
#define LPE_FIRST_GATE	100	/* how long a gate is closed at first, then twice that, ... */
#define LPE_LAST_GATE	1600
#define LPE_NEXT_GATE	400	/* open until the budget allows at least this */
#define LPE_LAST_TRY	10	/* the last try begins so long before the gate opens */
#define LPE_LOOK	2000	/* between tries that cannot help; they keep blockers up to date */

/* As lpe_step(), while the gate is closed: shortened so that there is a try before it opens. */
static unsigned int lpe_gate_step(struct lpe_patch *patch, unsigned long begin, unsigned long end)
{
	long left = end - jiffies;
	unsigned int ms = left > 0 ? jiffies_to_msecs(left) : 0;

	return min(lpe_step(patch, begin), max(ms, LPE_LAST_TRY + 4U) - LPE_LAST_TRY);
}

/*
 * Close the gate for ms, which holds threads that come to the border, until a stop finds no thread
 * in the way. 0 if the kernel has switched, -EAGAIN if not.
 */
static int lpe_one_gate(struct lpe_patch *patch, unsigned int ms, unsigned long begin)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms);
	unsigned long middle = jiffies + msecs_to_jiffies(ms / 2);
	bool blind = lpe_leaves_out(LPE_NO_GATE_CHECK);
	u64 start = ktime_get_mono_fast_ns();
	unsigned int then = 0;	/* threads in the way, after half of the time */
	bool wakes, signalled = false;
	int err;

	patch->gate++;
	patch->closed = true;
	patch->woke = false;
	patch->asleep = NULL;
	lpe_border_close(ms);
	do {
		lpe_border_add(patch, TWA_RESUME);
		/* A thread that is woken needs most of the gate's time to get to the border. */
		wakes = patch->mode->leave_kernel && !signalled && lpe_wakes(patch, begin);
		lpe_pause(min(lpe_gate_step(patch, begin, end), wakes ? ms / 8 : UINT_MAX));
		if (wakes) {
			lpe_border_add(patch, TWA_SIGNAL);
			if (lpe_is_due(patch, begin, LPE_FAKE)) {
				lpe_border_signal(patch);
				patch->woke = true;
			}
			signalled = true;
			lpe_pause(lpe_gate_step(patch, begin, end));
		}
		lpe_threads_refill();
		err = blind ? lpe_stop(lpe_flip, patch) : lpe_try(patch);
		if (!then && time_after_eq(jiffies, middle))
			then = patch->left;
	} while (err == -EAGAIN && !lpe_turned(patch) && !lpe_is_over(patch, begin) &&
		 time_before(jiffies, end));
	lpe_border_open();
	patch->closed = false;
	patch->helps = patch->left < then;
	patch->stats.closed += ktime_get_mono_fast_ns() - start;
	return err;
}

/*
 * True while no gate would help: a thread in the way has slept since the last one was closed, and
 * what this mode does to wake it was done.
 */
static bool lpe_is_hopeless(struct lpe_patch *patch)
{
	bool tried = !patch->mode->leave_kernel || patch->woke || !READ_ONCE(patch->signals);

	return tried && patch->asleep && lpe_thread_sleeps(patch->asleep) &&
	       !lpe_leaves_out(LPE_NO_BUDGET);
}

/*
 * Keep the gate open until the budget allows to close it for long enough, and while a gate would
 * not help. Meanwhile a thread in the way that waits for a held one can go on, and a single
 * sleeping thread does not keep the machine from its work. Try at times: perhaps no thread is in
 * the way even without a gate.
 */
static int lpe_stay_open(struct lpe_patch *patch, unsigned int ms, bool free, unsigned long begin)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms / 2);
	unsigned long look = jiffies + msecs_to_jiffies(LPE_LOOK);
	unsigned int wanted = min_t(unsigned int, ms, LPE_NEXT_GATE);
	int err = -EAGAIN;

	do {
		lpe_pause(lpe_step(patch, begin));
		if (lpe_turned(patch))
			continue;
		if (lpe_is_hopeless(patch) && time_before(jiffies, look))
			continue;
		look = jiffies + msecs_to_jiffies(LPE_LOOK);
		lpe_threads_refill();
		err = lpe_try(patch);
	} while (err == -EAGAIN && !lpe_turned(patch) && !lpe_is_over(patch, begin) &&
		 (time_before(jiffies, end) || lpe_is_hopeless(patch) ||
		  (!free && lpe_hold_pause(patch, wanted))));
	return err;
}

/*
 * Close one gate after the other, each twice as long, until the kernel has switched. If threads
 * still left in the second half of a gate, the next, longer one is worth its price: it may exceed
 * the budget ("free").
 *
 * Return: 0, -EINTR if a reversal was requested, -ETIMEDOUT after deadline_ms, or another error.
 */
int lpe_gates(struct lpe_patch *patch)
{
	unsigned long begin = jiffies;
	unsigned int ms = LPE_FIRST_GATE;
	bool free = false;
	int err;

	err = lpe_threads_begin(patch);
	lpe_border_begin(patch);
	while (!err) {
		err = lpe_one_gate(patch, free ? ms : min(ms, lpe_hold_left(patch)), begin);
		free = patch->helps && ms < LPE_LAST_GATE;
		if (err == -EAGAIN && !lpe_turned(patch) && !lpe_is_over(patch, begin))
			err = lpe_stay_open(patch, ms, free, begin);
		if (err != -EAGAIN)
			break;
		err = 0;
		if (lpe_turned(patch))
			err = -EINTR;
		else if (lpe_is_over(patch, begin))
			err = -ETIMEDOUT;
		ms = min_t(unsigned int, ms * 2, LPE_LAST_GATE);
	}
	lpe_border_end();
	return err;
}
