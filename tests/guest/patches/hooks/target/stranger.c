// SPDX-License-Identifier: GPL-2.0-only
/* A live patch that lppack has not made; with replace=1 it takes the place of all others. */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static bool replace;
module_param(replace, bool, 0);

static int stranger_version_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "a stranger's\n");
	return 0;
}

static struct klp_func funcs[] = {
	{ .old_name = "version_proc_show", .new_func = stranger_version_proc_show },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = funcs },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
};

static int __init stranger_init(void)
{
	patch.replace = replace;
	return klp_enable_patch(&patch);
}

static void __exit stranger_exit(void)
{
}

module_init(stranger_init);
module_exit(stranger_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A live patch of another origin");
MODULE_INFO(livepatch, "Y");
