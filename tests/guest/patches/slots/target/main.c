// SPDX-License-Identifier: GPL-2.0-only
/* A module with one of each thing that code of it may use, and that code of another may not. */
#include <linux/jump_label.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/static_call.h>

#include "victim.h"

#define CREATE_TRACE_POINTS
#include "victim_trace.h"

static int counter = 40;
module_param(counter, int, 0644);
MODULE_PARM_DESC(counter, "a static variable");

static DEFINE_STATIC_KEY_FALSE(loud);
static DEFINE_PER_CPU(int, shown);

static noinline int dup_helper(int number)
{
	return number + 100;
}

int victim_exported(int number);
int victim_exported(int number)
{
	return number + 20;
}
EXPORT_SYMBOL_GPL(victim_exported);

static int plain(int number)
{
	return number;
}

DEFINE_STATIC_CALL(victim_call, plain);

static int victim_show(struct seq_file *m, void *v)
{
	int number = static_call(victim_call)(dup_helper(counter));

	this_cpu_inc(shown);
	trace_victim_shown(number);
	seq_printf(m, "old %d %d %d%s\n", number, victim_other(counter), victim_exported(counter),
		   static_branch_unlikely(&loud) ? " loud" : "");
	return 0;
}

static int loud_set(const char *val, const struct kernel_param *kp)
{
	bool on;
	int err = kstrtobool(val, &on);

	if (err)
		return err;
	if (on)
		static_branch_enable(&loud);
	else
		static_branch_disable(&loud);
	return 0;
}

static const struct kernel_param_ops loud_ops = { .set = loud_set };
module_param_cb(loud, &loud_ops, NULL, 0200);
MODULE_PARM_DESC(loud, "a static key");

static int __init victim_init(void)
{
	base_note(1);
	return proc_create_single("victim", 0444, NULL, victim_show) ? 0 : -ENOMEM;
}

static void __exit victim_exit(void)
{
	remove_proc_entry("victim", NULL);
}

module_init(victim_init);
module_exit(victim_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Target of the tests of slots");
