// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does one thing that is wrong, named by the parameter "fault", and does not stay loaded. A debug
 * kernel that is silent about it would be silent about ours too.
 */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

static char *fault = "";
module_param(fault, charp, 0);

static DEFINE_MUTEX(lock_a);
static DEFINE_MUTEX(lock_b);

/* Outside of rcu_read_lock(). */
static void rcu(void)
{
	static int __rcu *pointer;

	if (rcu_dereference(pointer))
		pr_info("controls: not empty\n");
}

/* Adds what is in the list already. */
static void list(void)
{
	LIST_HEAD(head);
	struct list_head entry;

	list_add(&entry, &head);
	list_add(&entry, &head);
}

/* Both orders, one after the other: nobody waits. */
static void abba(void)
{
	mutex_lock(&lock_a);
	mutex_lock(&lock_b);
	mutex_unlock(&lock_b);
	mutex_unlock(&lock_a);

	mutex_lock(&lock_b);
	mutex_lock(&lock_a);
	mutex_unlock(&lock_a);
	mutex_unlock(&lock_b);
}

static void uaf(void)
{
	int *number = kmalloc(sizeof(*number), GFP_KERNEL);

	if (!number)
		return;
	kfree(number);
	WRITE_ONCE(*number, 1);
}

static void atomic(void)
{
	preempt_disable();
	schedule();
	preempt_enable();
}

static const struct {
	const char *name;
	void (*commit)(void);
} faults[] = {
	{ "rcu", rcu }, { "list", list }, { "abba", abba }, { "uaf", uaf }, { "atomic", atomic },
};

static int __init controls_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		if (!strcmp(fault, faults[i].name)) {
			faults[i].commit();
			return -ECANCELED;
		}
	}
	return -EINVAL;
}

module_init(controls_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Commits the fault that it is asked for");
