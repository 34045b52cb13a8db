// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <linux/seq_file.h>

#include "target/edges.h"
#include "lp_edges.h"
#include "lppack.h"

int lp_edges_cmdline(struct seq_file *m, void *v)
{
	seq_puts(m, "edges\n");
	return 0;
}

/* Its seventh argument is on the stack. Nothing but the test waits for a futex meanwhile. */
long lp_edges_futex(u32 __user *uaddr, int op, u32 val, ktime_t *timeout, u32 __user *uaddr2,
		    u32 val2, u32 val3)
{
	return op == EDGES_OP ? val3 : -EINVAL;
}

/* Calls what it replaces, and so itself. */
int lp_edges_deep(int depth)
{
	return depth ? edges_deep(depth - 1) + 2 : 0;
}

void lp_edges_struck(void)
{
	atomic_inc(&edges_strikes[1]);
}
