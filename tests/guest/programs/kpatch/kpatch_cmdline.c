// SPDX-License-Identifier: GPL-2.0-only
/*
 * A live patch laid out as kpatch-build does it: a table of functions in a section of its own, of
 * which the structures of the kernel's livepatch interface are made when the module is loaded.
 */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

struct kpatch_patch_func {
	unsigned long new_addr;
	unsigned long new_size;
	unsigned long old_addr;
	unsigned long old_size;
	unsigned long sympos;
	char *name;
	char *objname;
};

static int kpatch_cmdline_show(struct seq_file *m, void *v)
{
	seq_puts(m, "patched by kpatch\n");
	return 0;
}

static struct kpatch_patch_func kpatch_funcs[] __section(".kpatch.funcs") __used = {
	{
		.new_addr = (unsigned long)kpatch_cmdline_show,
		.name = "cmdline_proc_show",
		.objname = "vmlinux",
	},
};

static struct klp_func funcs[ARRAY_SIZE(kpatch_funcs) + 1];

static struct klp_object objects[] = {
	{ .funcs = funcs },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
	.replace = true,
};

static int __init patch_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(kpatch_funcs); i++) {
		funcs[i].old_name = kpatch_funcs[i].name;
		funcs[i].new_func = (void *)kpatch_funcs[i].new_addr;
		funcs[i].old_sympos = kpatch_funcs[i].sympos;
	}
	return klp_enable_patch(&patch);
}

static void __exit patch_exit(void)
{
}

module_init(patch_init);
module_exit(patch_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
