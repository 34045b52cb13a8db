/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LP_EDGES_H
#define LP_EDGES_H

#include <linux/ktime.h>
#include <linux/types.h>

struct seq_file;

int lp_edges_cmdline(struct seq_file *m, void *v);
long lp_edges_futex(u32 __user *uaddr, int op, u32 val, ktime_t *timeout, u32 __user *uaddr2,
		    u32 val2, u32 val3);
int lp_edges_deep(int depth);
void lp_edges_struck(void);

#endif
