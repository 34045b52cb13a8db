/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LP_VICTIM_H
#define LP_VICTIM_H

struct seq_file;
struct victim_visit;

void lp_victim_inner(struct victim_visit *v);
void lp_victim_outer(struct victim_visit *v);
int lp_cmdline_proc_show(struct seq_file *m, void *v);
void lp_task_work_run(void);

#endif
