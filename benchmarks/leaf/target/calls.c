// SPDX-License-Identifier: GPL-2.0-only
/* Reading /proc/calls calls a function CALLS times, with interrupts off, and tells the time. */
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#define CALLS	100000

noinline int calls_leaf(int number);
noinline int calls_leaf(int number)
{
	return number + 1;
}

/* Makes it two in this object, where a patch replaces both. */
noinline int calls_other(int number);
noinline int calls_other(int number)
{
	return number + 3;
}

static int calls_show(struct seq_file *m, void *v)
{
	unsigned long flags;
	u64 start, end;
	int i, sum = calls_other(-3);

	local_irq_save(flags);
	start = ktime_get_ns();
	for (i = 0; i < CALLS; i++)
		sum = calls_leaf(sum);
	end = ktime_get_ns();
	local_irq_restore(flags);
	seq_printf(m, "calls %d sum %d ns %llu\n", CALLS, sum, end - start);
	return 0;
}

static int __init calls_init(void)
{
	return proc_create_single("calls", 0400, NULL, calls_show) ? 0 : -ENOMEM;
}

static void __exit calls_exit(void)
{
	remove_proc_entry("calls", NULL);
}

module_init(calls_init);
module_exit(calls_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Counts what a call costs");
