// SPDX-License-Identifier: GPL-2.0-only
#include <linux/seq_file.h>

int lp_cmdline_proc_show(struct seq_file *m, void *v);

/* Takes the place of cmdline_proc_show() in fs/proc/cmdline.c. */
int lp_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "this has been live patched\n");
	return 0;
}
