// SPDX-License-Identifier: GPL-2.0-only
/* For tests: a kprobe with a post handler, which may change where a function returns to. */
#include <linux/kprobes.h>
#include <linux/module.h>

static void holder_post(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {
	.symbol_name = "cmdline_proc_show",
	.post_handler = holder_post,
};

static int __init holder_init(void)
{
	return register_kprobe(&probe);
}

static void __exit holder_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(holder_init);
module_exit(holder_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Holds a function, for tests");
