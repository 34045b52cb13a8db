// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hooks that say when they run. A test tells pre_patch to fail by the sysctl kernel.panic: 4242 for
 * that of vmlinux, 4243 for that of the module.
 */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/panic.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "hooks.h"
#include "lppack.h"

static char *text;	/* from pre_patch to post_unpatch */

int lp_pre(struct klp_object *obj)
{
	pr_info("hooks: pre_patch\n");
	if (panic_timeout == 4242)
		return -EAGAIN;
	text = kstrdup("patched", GFP_KERNEL);
	return text ? 0 : -ENOMEM;
}

void lp_post(struct klp_object *obj)
{
	pr_info("hooks: post_patch\n");
}

void lp_pre_un(struct klp_object *obj)
{
	pr_info("hooks: pre_unpatch\n");
}

void lp_post_un(struct klp_object *obj)
{
	pr_info("hooks: post_unpatch\n");
	kfree(text);
	text = NULL;
}

void lp_drain(void)
{
	pr_info("hooks: barrier\n");
}

int lp_late_pre(struct klp_object *obj)
{
	pr_info("hooks: late pre_patch\n");
	return panic_timeout == 4243 ? -EAGAIN : 0;
}

void lp_late_post(struct klp_object *obj)
{
	pr_info("hooks: late post_patch\n");
}

void lp_late_pre_un(struct klp_object *obj)
{
	pr_info("hooks: late pre_unpatch\n");
}

void lp_late_post_un(struct klp_object *obj)
{
	pr_info("hooks: late post_unpatch\n");
}

void lp_late_drain(void)
{
	pr_info("hooks: late barrier\n");
}

int lp_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s\n", text);
	return 0;
}

int lp_late_wait(wait_queue_head_t *sleepers, int *turn)
{
	int now = READ_ONCE(*turn);

	return wait_event_killable(*sleepers, READ_ONCE(*turn) != now) ?: 1;
}
