// SPDX-License-Identifier: GPL-2.0-only
/*
 * The new form of word has TICK_NEW. The pool's lock is held by the callers, with interrupts off:
 * so it comes before the lock of an object, and before what lppack takes.
 */
#include <linux/bug.h>
#include <linux/slab.h>

#include "target/ticks.h"
#include "lp_ticks.h"
#include "lppack.h"

bool lp_soft_is_new(const struct soft *o)
{
	return o->t.word & TICK_NEW;
}

void lp_soft_lock(struct soft *o)
	__acquires(&o->t.lock)
{
	spin_lock(&o->t.lock);
}

void lp_soft_unlock(struct soft *o)
	__releases(&o->t.lock)
{
	spin_unlock(&o->t.lock);
}

int lp_soft_upgrade(struct soft *o)
{
	if (!soft_ext_get_or_alloc(o))
		return -ENOMEM;
	o->t.word |= TICK_NEW;
	return 0;
}

void lp_soft_downgrade(struct soft *o)
{
	WARN_ON(o->t.alive != TICK_ALIVE);
	o->t.word &= ~TICK_NEW;
}

void lp_soft_touch(struct soft *o)
{
	lp_convert_soft(o);
	lp_soft_lock(o);
	if (lp_soft_is_new(o))
		soft_ext_get(o)->touched++;
	o->t.word++;
	lp_soft_unlock(o);
}

void lp_soft_free(struct soft *o)
{
	lp_forget_soft(o);
	o->t.alive = 0;
	kfree(o);
}

bool lp_hard_is_new(const struct hard *o)
{
	return o->t.word & TICK_NEW;
}

void lp_hard_lock(struct hard *o)
	__acquires(&o->t.lock)
{
	spin_lock(&o->t.lock);
}

void lp_hard_unlock(struct hard *o)
	__releases(&o->t.lock)
{
	spin_unlock(&o->t.lock);
}

int lp_hard_upgrade(struct hard *o)
{
	if (!hard_ext_get_or_alloc(o))
		return -ENOMEM;
	o->t.word |= TICK_NEW;
	return 0;
}

void lp_hard_downgrade(struct hard *o)
{
	WARN_ON(o->t.alive != TICK_ALIVE);
	o->t.word &= ~TICK_NEW;
}

void lp_hard_touch(struct hard *o)
{
	lp_convert_hard(o);
	lp_hard_lock(o);
	if (lp_hard_is_new(o))
		hard_ext_get(o)->touched++;
	o->t.word++;
	lp_hard_unlock(o);
}

void lp_hard_free(struct hard *o)
{
	lp_forget_hard(o);
	o->t.alive = 0;
	kfree(o);
}
