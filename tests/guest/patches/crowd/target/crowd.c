// SPDX-License-Identifier: GPL-2.0-only
/*
 * Members that any number of threads make, use and free. Some are a part of this module; the others
 * stand in slots, are found under RCU, and are freed after a grace period.
 *
 * /proc/crowd takes the number of steps to do, each at a slot that is drawn: fill it if it is
 * empty, now and then empty it, and use who is in it; 0 empties all slots and waits for the grace
 * period. It lists the counts, and each member with its form.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "crowd.h"

#define SLOTS	128
#define FIXED	8
#define STAY	4	/* one step in so many empties its slot */

static struct crowd_counts counts;
static struct member fixed[FIXED];
static struct member __rcu *slots[SLOTS];

noinline void member_use(struct member *m)
{
	mutex_lock(&m->lock);
	if (m->word & MEMBER_NEW)
		atomic_long_inc(&m->counts->wrong);
	m->word++;
	mutex_unlock(&m->lock);
}

/* Nobody else can reach it any more. */
noinline void member_gone(struct member *m)
{
	if (m->word & MEMBER_NEW)
		atomic_long_inc(&m->counts->wrong);
}

static void member_init(struct member *m)
{
	mutex_init(&m->lock);
	refcount_set(&m->users, 1);
	m->counts = &counts;
	m->alive = MEMBER_ALIVE;
}

static struct member *member_new(void)
{
	struct member *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (m) {
		member_init(m);
		atomic_long_inc(&counts.existing);
	}
	return m;
}

static void member_free(struct rcu_head *rcu)
{
	struct member *m = container_of(rcu, struct member, rcu);

	m->alive = 0;
	kfree(m);
	atomic_long_dec(&counts.existing);
}

static void member_put(struct member *m)
{
	if (refcount_dec_and_test(&m->users)) {
		member_gone(m);
		call_rcu(&m->rcu, member_free);
	}
}

static struct member *member_get(int slot)
{
	struct member *m;

	rcu_read_lock();
	m = rcu_dereference(slots[slot]);
	if (m && !refcount_inc_not_zero(&m->users))
		m = NULL;
	rcu_read_unlock();
	return m;
}

static void slot_empty(int slot)
{
	struct member *m = unrcu_pointer(xchg(&slots[slot], NULL));

	if (m)
		member_put(m);
}

static void slot_fill(int slot)
{
	struct member *m = member_new();

	if (!m)
		return;
	refcount_inc(&m->users);
	if (unrcu_pointer(cmpxchg(&slots[slot], NULL, RCU_INITIALIZER(m))))
		member_put(m);	/* somebody was faster */
	member_use(m);
	member_put(m);
}

static void crowd_step(void)
{
	u32 drawn = get_random_u32();
	int slot = drawn % (SLOTS + FIXED);
	struct member *m;

	if (slot >= SLOTS) {
		member_use(&fixed[slot - SLOTS]);
		return;
	}
	m = member_get(slot);
	if (!m) {
		slot_fill(slot);
		return;
	}
	if (!((drawn >> 16) % STAY))
		slot_empty(slot);
	member_use(m);
	member_put(m);
}

static void crowd_empty(void)
{
	int slot;

	for (slot = 0; slot < SLOTS; slot++)
		slot_empty(slot);
	rcu_barrier();
}

static ssize_t crowd_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	unsigned int steps;
	int err = kstrtouint_from_user(buf, len, 0, &steps);

	if (err)
		return err;
	if (!steps)
		crowd_empty();
	for (; steps; steps--) {
		crowd_step();
		cond_resched();
	}
	return len;
}

static void member_show(struct seq_file *f, struct member *m)
{
	mutex_lock(&m->lock);
	seq_printf(f, "member 0x%lx %s\n", (unsigned long)m, m->word & MEMBER_NEW ? "new" : "old");
	mutex_unlock(&m->lock);
}

static int crowd_show(struct seq_file *f, void *v)
{
	struct member *m;
	int i;

	seq_printf(f, "existing %ld\n", atomic_long_read(&counts.existing));
	seq_printf(f, "wrong %ld\n", atomic_long_read(&counts.wrong));
	seq_printf(f, "converted %ld\n", atomic_long_read(&counts.converted));
	seq_printf(f, "reversed %ld\n", atomic_long_read(&counts.reversed));
	seq_printf(f, "born_new %ld\n", atomic_long_read(&counts.born_new));
	seq_printf(f, "freed_new %ld\n", atomic_long_read(&counts.freed_new));
	for (i = 0; i < FIXED; i++)
		member_show(f, &fixed[i]);
	for (i = 0; i < SLOTS; i++) {
		m = member_get(i);
		if (!m)
			continue;
		member_show(f, m);
		member_put(m);
	}
	return 0;
}

static int crowd_open(struct inode *inode, struct file *file)
{
	return single_open(file, crowd_show, NULL);
}

static const struct proc_ops crowd_ops = {
	.proc_open = crowd_open,
	.proc_read = seq_read,
	.proc_write = crowd_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static int __init crowd_init(void)
{
	int i;

	for (i = 0; i < FIXED; i++)
		member_init(&fixed[i]);
	fixed[0].stubborn = true;
	return proc_create("crowd", 0600, NULL, &crowd_ops) ? 0 : -ENOMEM;
}

static void __exit crowd_exit(void)
{
	remove_proc_entry("crowd", NULL);
	crowd_empty();
	WARN_ON(atomic_long_read(&counts.existing));
}

module_init(crowd_init);
module_exit(crowd_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Members that many threads make, use and free");
