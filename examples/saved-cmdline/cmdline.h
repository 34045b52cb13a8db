/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel has, and no header for modules declares. */
#include <linux/percpu.h>

struct seq_file;

/* fs/proc/version.c: a static function. */
int version_proc_show(struct seq_file *m, void *v);

/* kernel/sched/sched.h: of each CPU, how many share its last cache. */
DECLARE_PER_CPU(int, sd_llc_size);
