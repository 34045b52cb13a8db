// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hooks that say when they run, and a state that is handed to the next version. A test tells
 * pre_patch to fail by the sysctl kernel.panic: 4242 for that of vmlinux, 4243 for that of the
 * module late.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

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
static bool borrowed;	/* it is still the version before's */

int lp_pre(struct klp_object *obj)
{
	struct klp_state *before = klp_get_prev_state(HOOKS_STATE);

	pr_info("pre_patch\n");
	if (panic_timeout == 4242)
		return -EAGAIN;
	borrowed = before;
	if (before) {
		pr_info("given by version %u of the state\n", before->version);
		text = before->data;
	} else {
		text = kstrdup("patched", GFP_KERNEL);
	}
	lp_state(HOOKS_STATE)->data = text;
	return text ? 0 : -ENOMEM;
}

/* The version before gets no callback any more, so what it made is ours now. */
void lp_post(struct klp_object *obj)
{
	pr_info("post_patch\n");
	borrowed = false;
}

void lp_pre_un(struct klp_object *obj)
{
	pr_info("pre_unpatch\n");
}

void lp_post_un(struct klp_object *obj)
{
	pr_info("post_unpatch\n");
	if (!borrowed)
		kfree(text);
	text = NULL;
}

void lp_drain(void)
{
	pr_info("barrier\n");
}

int lp_late_pre(struct klp_object *obj)
{
	pr_info("late pre_patch\n");
	return panic_timeout == 4243 ? -EAGAIN : 0;
}

void lp_late_post(struct klp_object *obj)
{
	pr_info("late post_patch\n");
}

void lp_late_pre_un(struct klp_object *obj)
{
	pr_info("late pre_unpatch\n");
}

void lp_late_post_un(struct klp_object *obj)
{
	pr_info("late post_unpatch\n");
}

void lp_late_drain(void)
{
	pr_info("late barrier\n");
}

int lp_later_pre(struct klp_object *obj)
{
	pr_info("later pre_patch\n");
	return 0;
}

void lp_later_post(struct klp_object *obj)
{
	pr_info("later post_patch\n");
}

void lp_later_pre_un(struct klp_object *obj)
{
	pr_info("later pre_unpatch\n");
}

void lp_later_post_un(struct klp_object *obj)
{
	pr_info("later post_unpatch\n");
}

int lp_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s by %s\n", text, KBUILD_MODNAME);
	return 0;
}

int lp_late_wait(wait_queue_head_t *sleepers, int *turn)
{
	int now = READ_ONCE(*turn);

	return wait_event_killable(*sleepers, READ_ONCE(*turn) != now) ?: 1;
}

int lp_later_wait(wait_queue_head_t *sleepers, int *turn)
{
	return lp_late_wait(sleepers, turn);
}
