// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: refuse kernels on which it is not supported. `plan` refuses them, too
 * (own-engine-* in lppack/rules/own_engine.py); docs/engine.md has a table of the tests.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/init.h>
#include <linux/kconfig.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/version.h>

#include "internal.h"

#define LPE_IS_SERIES(major, minor) \
	(LINUX_VERSION_CODE >> 8 == KERNEL_VERSION(major, minor, 0) >> 8)

struct lpe_bar {
	bool stands;
	const char *why;
};

static const struct lpe_bar lpe_bars[] __initconst = {
	/* stack.c knows the border to user space, and the ends of stacks, by name. */
	{ !LPE_IS_SERIES(6, 1) && !LPE_IS_SERIES(6, 12) && !LPE_IS_SERIES(7, 2) &&
	  !LPE_IS_SERIES(7, 3),
	  "is none of 6.1, 6.12, 7.2 and 7.3, on which this engine was tried" },
	/*
	 * With it spinlocks sleep, but lpe_threads_lock is taken in stops and with preemption off.
	 */
	{ IS_ENABLED(CONFIG_PREEMPT_RT),
	  "has CONFIG_PREEMPT_RT, which this engine is not made for" },
	/* Without it synchronize_rcu_tasks() may be synchronize_rcu(), and not wait for exits. */
	{ !IS_ENABLED(CONFIG_PREEMPTION),
	  "has no CONFIG_PREEMPTION, without which this engine was not tried" },
	{ !IS_ENABLED(CONFIG_HAVE_RELIABLE_STACKTRACE),
	  "has no CONFIG_HAVE_RELIABLE_STACKTRACE: no thread would be seen outside" },
};

/* Return 0, or -EOPNOTSUPP after logging each reason. */
int __init lpe_support_init(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(lpe_bars); i++)
		if (lpe_bars[i].stands) {
			pr_err("this kernel %s\n", lpe_bars[i].why);
			err = -EOPNOTSUPP;
		}
	return err;
}
