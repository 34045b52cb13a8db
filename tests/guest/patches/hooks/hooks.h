/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HOOKS_H
#define HOOKS_H

#include <linux/seq_file.h>
#include <linux/wait.h>

#define HOOKS_STATE	4711	/* in the manifest too */

int lp_cmdline_proc_show(struct seq_file *m, void *v);
int lp_late_wait(wait_queue_head_t *sleepers, int *turn);
int lp_later_wait(wait_queue_head_t *sleepers, int *turn);

#endif
