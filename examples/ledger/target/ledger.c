// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target of the example: accounts that know nothing of any patch.
 *
 * /proc/ledger shows how many accounts there are, their total, and a digest of all balances. It
 * takes commands: "open NUMBER CENTS", "set ID CENTS", "move FROM TO CENTS", "audit" (sleeps until
 * "done", and fails if the total has changed meanwhile).
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "ledger.h"

#define LEDGER_FIRST	100	/* accounts, with as many cents each */

static struct ledger ledger;

/* Who holds a pointer to an account is a function that the patch replaces. */
static __always_inline struct account *ledger_find(struct ledger *l, u32 id)
{
	struct account *a;

	list_for_each_entry(a, ledger_bucket(l, id), list)
		if (a->id == id)
			return a;
	return NULL;
}

static __always_inline u64 ledger_total(struct ledger *l, u64 *digest)
{
	struct account *a;
	u64 total = 0;
	int i;

	*digest = 0;
	for (i = 0; i < LEDGER_BUCKETS; i++)
		list_for_each_entry(a, &l->buckets[i], list) {
			total += a->cents;
			*digest += ledger_digest(a->id, a->cents);
		}
	return total;
}

noinline int ledger_open(struct ledger *l, u32 cents)
{
	struct account *a = kmalloc(sizeof(*a), GFP_KERNEL);

	if (!a)
		return -ENOMEM;
	a->cents = cents;
	mutex_lock(&l->lock);
	a->id = l->count++;
	list_add_tail(&a->list, ledger_bucket(l, a->id));
	mutex_unlock(&l->lock);
	return 0;
}

noinline int ledger_set(struct ledger *l, u32 id, u32 cents)
{
	struct account *a;

	mutex_lock(&l->lock);
	a = ledger_find(l, id);
	if (a)
		a->cents = cents;
	mutex_unlock(&l->lock);
	return a ? 0 : -ENOENT;
}

noinline int ledger_move(struct ledger *l, u32 from, u32 to, u32 cents)
{
	struct account *a, *b;
	int err = -ENOENT;

	mutex_lock(&l->lock);
	a = ledger_find(l, from);
	b = ledger_find(l, to);
	if (a && b) {
		a->cents -= cents;
		b->cents += cents;
		err = 0;
	}
	mutex_unlock(&l->lock);
	return err;
}

noinline int ledger_audit(struct ledger *l)
{
	u32 turn = READ_ONCE(l->turn);
	u64 before, after, digest;
	int err;

	mutex_lock(&l->lock);
	before = ledger_total(l, &digest);
	mutex_unlock(&l->lock);
	err = wait_event_killable(l->auditors, READ_ONCE(l->turn) != turn);
	if (err)
		return err;
	mutex_lock(&l->lock);
	after = ledger_total(l, &digest);
	mutex_unlock(&l->lock);
	return before == after ? 0 : -EIO;
}

noinline int ledger_show(struct seq_file *m, void *v)
{
	struct ledger *l = m->private;
	u64 total, digest;

	mutex_lock(&l->lock);
	total = ledger_total(l, &digest);
	seq_printf(m, "accounts %u total %llu digest %016llx\n", l->count, total, digest);
	mutex_unlock(&l->lock);
	return 0;
}

static int ledger_open_many(u32 number, u32 cents)
{
	int err = 0;

	while (number-- && !err) {
		err = ledger_open(&ledger, cents);
		cond_resched();
	}
	return err;
}

static int ledger_command(const char *line)
{
	u32 a, b, c;

	if (sscanf(line, "open %u %u", &a, &b) == 2)
		return ledger_open_many(a, b);
	if (sscanf(line, "set %u %u", &a, &b) == 2)
		return ledger_set(&ledger, a, b);
	if (sscanf(line, "move %u %u %u", &a, &b, &c) == 3)
		return ledger_move(&ledger, a, b, c);
	if (strstarts(line, "audit"))
		return ledger_audit(&ledger);
	if (!strstarts(line, "done"))
		return -EINVAL;
	WRITE_ONCE(ledger.turn, ledger.turn + 1);
	wake_up_all(&ledger.auditors);
	return 0;
}

static ssize_t ledger_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char line[64];
	int err;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, len))
		return -EFAULT;
	line[len] = '\0';
	err = ledger_command(line);
	return err ? err : len;
}

static int ledger_open_file(struct inode *inode, struct file *file)
{
	return single_open(file, ledger_show, &ledger);
}

static const struct proc_ops ledger_ops = {
	.proc_open = ledger_open_file,
	.proc_read = seq_read,
	.proc_write = ledger_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

/* Nobody else can reach them: it frees them in whatever form they are. */
static void ledger_free_all(void)
{
	struct account *a, *next;
	int i;

	for (i = 0; i < LEDGER_BUCKETS; i++)
		list_for_each_entry_safe(a, next, &ledger.buckets[i], list)
			kfree(a);
}

static int __init ledger_init(void)
{
	int err, i;

	mutex_init(&ledger.lock);
	init_waitqueue_head(&ledger.auditors);
	for (i = 0; i < LEDGER_BUCKETS; i++)
		INIT_LIST_HEAD(&ledger.buckets[i]);
	err = ledger_open_many(LEDGER_FIRST, LEDGER_FIRST);
	if (!err && !proc_create("ledger", 0600, NULL, &ledger_ops))
		err = -ENOMEM;
	if (err)
		ledger_free_all();
	return err;
}

static void __exit ledger_exit(void)
{
	remove_proc_entry("ledger", NULL);
	ledger_free_all();
}

module_init(ledger_init);
module_exit(ledger_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Accounts, the target of lppack's example ledger");
