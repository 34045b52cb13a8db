// SPDX-License-Identifier: GPL-2.0-only
/*
 * Balances of 64 bits instead of 32, after which old code starts at 0 again.
 *
 * In the stop that flips the kernel a larger struct lp_account takes the place of each struct
 * account. So the functions know the new form alone: they are what they would be if the kernel had
 * been built with the fix. In the old form the highest bit of an id is 0; in the new one it is 1.
 */
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "lppack.h"

#define ACCOUNT_NEW	BIT(31)

/* The engine calls one of the functions that use these at a time. */
static LIST_HEAD(lp_fresh);	/* room for new forms, made by prepare */
static LIST_HEAD(lp_spent);	/* old forms that are not in use any more */
static u32 lp_fresh_count;

static struct lp_account *to_new(struct account *a)
{
	return container_of(a, struct lp_account, old);
}

bool lp_account_is_new(const struct account *a)
{
	return a->id & ACCOUNT_NEW;
}

int lp_account_each(int (*visit)(struct account *a, void *data), void *data)
{
	struct ledger *l = &lp_the_ledger;
	struct account *a;
	int i, err;

	if (mutex_is_locked(&l->lock))
		return -EAGAIN;
	for (i = 0; i < LEDGER_BUCKETS; i++)
		list_for_each_entry(a, &l->buckets[i], list) {
			err = visit(a, data);
			if (err)
				return err;
		}
	return 0;
}

/* As many new forms as there are accounts now; forward asks again if that was too few. */
int lp_account_prepare(void)
{
	u32 wanted = READ_ONCE(lp_the_ledger.count);
	struct lp_account *n;

	while (lp_fresh_count < wanted) {
		n = kmalloc(sizeof(*n), GFP_KERNEL);
		if (!n)
			return -ENOMEM;
		list_add(&n->old.list, &lp_fresh);
		lp_fresh_count++;
		cond_resched();
	}
	return 0;
}

/* An account at the very end of the scale has most likely passed it: somebody must look at it. */
int lp_account_check(const struct account *a)
{
	return a->cents == U32_MAX ? -ERANGE : 0;
}

int lp_account_upgrade(struct account *a)
{
	struct lp_account *n = list_first_entry_or_null(&lp_fresh, struct lp_account, old.list);

	if (!n)
		return -EAGAIN;
	list_del(&n->old.list);
	lp_fresh_count--;
	n->old.id = a->id | ACCOUNT_NEW;
	n->old.cents = U32_MAX;
	n->cents = a->cents;
	list_replace(&a->list, &n->old.list);
	list_add(&a->list, &lp_spent);
	return 0;
}

/* In place: the larger one serves as an old one, with what old code would have counted. */
void lp_account_downgrade(struct account *a)
{
	a->cents = to_new(a)->cents;
	a->id &= ~ACCOUNT_NEW;
}

static void lp_free_list(struct list_head *list)
{
	struct account *a, *next;

	list_for_each_entry_safe(a, next, list, list) {
		list_del(&a->list);
		kfree(a);
		cond_resched();
	}
}

void lp_account_finish(void)
{
	lp_free_list(&lp_fresh);
	lp_free_list(&lp_spent);
	lp_fresh_count = 0;
}

static struct lp_account *lp_find(struct ledger *l, u32 id)
{
	struct account *a;

	list_for_each_entry(a, ledger_bucket(l, id), list)
		if (a->id == (id | ACCOUNT_NEW))
			return to_new(a);
	return NULL;
}

static u64 lp_total(struct ledger *l, u64 *digest)
{
	struct account *a;
	u64 total = 0;
	int i;

	*digest = 0;
	for (i = 0; i < LEDGER_BUCKETS; i++)
		list_for_each_entry(a, &l->buckets[i], list) {
			total += to_new(a)->cents;
			*digest += ledger_digest(a->id & ~ACCOUNT_NEW, to_new(a)->cents);
		}
	return total;
}

int lp_ledger_open(struct ledger *l, u32 cents)
{
	struct lp_account *n = kmalloc(sizeof(*n), GFP_KERNEL);

	if (!n)
		return -ENOMEM;
	n->cents = cents;
	n->old.cents = U32_MAX;
	mutex_lock(&l->lock);
	n->old.id = l->count++ | ACCOUNT_NEW;
	list_add_tail(&n->old.list, ledger_bucket(l, n->old.id & ~ACCOUNT_NEW));
	mutex_unlock(&l->lock);
	return 0;
}

int lp_ledger_set(struct ledger *l, u32 id, u32 cents)
{
	struct lp_account *n;

	mutex_lock(&l->lock);
	n = lp_find(l, id);
	if (n)
		n->cents = cents;
	mutex_unlock(&l->lock);
	return n ? 0 : -ENOENT;
}

int lp_ledger_move(struct ledger *l, u32 from, u32 to, u32 cents)
{
	struct lp_account *a, *b;
	int err = -ENOENT;

	mutex_lock(&l->lock);
	a = lp_find(l, from);
	b = lp_find(l, to);
	if (a && b) {
		a->cents -= cents;
		b->cents += cents;
		err = 0;
	}
	mutex_unlock(&l->lock);
	return err;
}

int lp_ledger_audit(struct ledger *l)
{
	u32 turn = READ_ONCE(l->turn);
	u64 before, after, digest;
	int err;

	mutex_lock(&l->lock);
	before = lp_total(l, &digest);
	mutex_unlock(&l->lock);
	err = wait_event_killable(l->auditors, READ_ONCE(l->turn) != turn);
	if (err)
		return err;
	mutex_lock(&l->lock);
	after = lp_total(l, &digest);
	mutex_unlock(&l->lock);
	return before == after ? 0 : -EIO;
}

int lp_ledger_show(struct seq_file *m, void *v)
{
	struct ledger *l = m->private;
	u64 total, digest;

	mutex_lock(&l->lock);
	total = lp_total(l, &digest);
	seq_printf(m, "accounts %u total %llu digest %016llx\n", l->count, total, digest);
	mutex_unlock(&l->lock);
	return 0;
}
