// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two pools of objects that nothing but interrupts uses: one by a timer, in softirqs, one by a hard
 * timer. At each tick all are touched, the oldest are freed and as many are made. /proc/ticks says
 * for each pool how many there are, in the new form, made, and touched by old code in the new form.
 */
#include <linux/hrtimer.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/timer.h>

#include "ticks.h"

#define SIZE	64
#define TURN	16

struct pool {
	spinlock_t lock;	/* protects the rest */
	struct list_head ticks;
	unsigned int count;
	unsigned long made;
	unsigned long wrong;
};

static struct pool softs = {
	.lock = __SPIN_LOCK_UNLOCKED(softs.lock),
	.ticks = LIST_HEAD_INIT(softs.ticks),
};

static struct pool hards = {
	.lock = __SPIN_LOCK_UNLOCKED(hards.lock),
	.ticks = LIST_HEAD_INIT(hards.ticks),
};

static struct timer_list soft_timer;
static struct hrtimer hard_timer;

noinline void soft_touch(struct soft *s);
noinline void soft_touch(struct soft *s)
{
	unsigned long flags;

	spin_lock_irqsave(&s->t.lock, flags);
	if (s->t.word & TICK_NEW)
		softs.wrong++;
	s->t.word++;
	spin_unlock_irqrestore(&s->t.lock, flags);
}

noinline void soft_free(struct soft *s);
noinline void soft_free(struct soft *s)
{
	s->t.alive = 0;
	kfree(s);
}

noinline void hard_touch(struct hard *h);
noinline void hard_touch(struct hard *h)
{
	unsigned long flags;

	spin_lock_irqsave(&h->t.lock, flags);
	if (h->t.word & TICK_NEW)
		hards.wrong++;
	h->t.word++;
	spin_unlock_irqrestore(&h->t.lock, flags);
}

noinline void hard_free(struct hard *h);
noinline void hard_free(struct hard *h)
{
	h->t.alive = 0;
	kfree(h);
}

static void pool_turn(struct pool *pool, void (*touch)(struct tick *), void (*free)(struct tick *),
		      size_t size)
{
	struct tick *t;
	unsigned long flags;
	int i;

	spin_lock_irqsave(&pool->lock, flags);
	for (i = 0; i < TURN && pool->count > SIZE - TURN; i++) {
		t = list_first_entry(&pool->ticks, struct tick, list);
		list_del(&t->list);
		pool->count--;
		free(t);
	}
	while (pool->count < SIZE) {
		t = kzalloc(size, GFP_ATOMIC);
		if (!t)
			break;
		spin_lock_init(&t->lock);
		t->alive = TICK_ALIVE;
		list_add_tail(&t->list, &pool->ticks);
		pool->count++;
		pool->made++;
	}
	list_for_each_entry(t, &pool->ticks, list)
		touch(t);
	spin_unlock_irqrestore(&pool->lock, flags);
}

static void touch_soft(struct tick *t)
{
	soft_touch(container_of(t, struct soft, t));
}

static void free_soft(struct tick *t)
{
	soft_free(container_of(t, struct soft, t));
}

static void touch_hard(struct tick *t)
{
	hard_touch(container_of(t, struct hard, t));
}

static void free_hard(struct tick *t)
{
	hard_free(container_of(t, struct hard, t));
}

static void soft_tick(struct timer_list *timer)
{
	pool_turn(&softs, touch_soft, free_soft, sizeof(struct soft));
	mod_timer(timer, jiffies + 1);
}

static enum hrtimer_restart hard_tick(struct hrtimer *timer)
{
	pool_turn(&hards, touch_hard, free_hard, sizeof(struct hard));
	hrtimer_forward_now(timer, ms_to_ktime(5));
	return HRTIMER_RESTART;
}

static void pool_show(struct seq_file *m, const char *name, struct pool *pool)
{
	struct tick *t;
	unsigned int new = 0;
	unsigned long flags;

	spin_lock_irqsave(&pool->lock, flags);
	list_for_each_entry(t, &pool->ticks, list)
		new += !!(t->word & TICK_NEW);
	seq_printf(m, "%s %u new %u made %lu wrong %lu\n", name, pool->count, new, pool->made,
		   pool->wrong);
	spin_unlock_irqrestore(&pool->lock, flags);
}

static int ticks_show(struct seq_file *m, void *v)
{
	pool_show(m, "soft", &softs);
	pool_show(m, "hard", &hards);
	return 0;
}

static int __init ticks_init(void)
{
	if (!proc_create_single("ticks", 0400, NULL, ticks_show))
		return -ENOMEM;
	timer_setup(&soft_timer, soft_tick, 0);
	mod_timer(&soft_timer, jiffies + 1);
	hrtimer_init(&hard_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	hard_timer.function = hard_tick;
	hrtimer_start(&hard_timer, ms_to_ktime(5), HRTIMER_MODE_REL_HARD);
	return 0;
}

static void __exit ticks_exit(void)
{
	struct tick *t, *next;

	del_timer_sync(&soft_timer);
	hrtimer_cancel(&hard_timer);
	remove_proc_entry("ticks", NULL);
	list_for_each_entry_safe(t, next, &softs.ticks, list)
		free_soft(t);
	list_for_each_entry_safe(t, next, &hards.ticks, list)
		free_hard(t);
}

module_init(ticks_init);
module_exit(ticks_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Objects that only interrupts use");
