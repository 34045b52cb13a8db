// SPDX-License-Identifier: GPL-2.0-only
/* Uses what the kernel does not export: `symbols` of the manifest lists it. */
#include <linux/init.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/workqueue.h>
#include <linux/psi.h>

#include "lppack.h"

int lp_cmdline_proc_show(struct seq_file *m, void *v);

/*
 * Takes the place of cmdline_proc_show() in fs/proc/cmdline.c. linux/init.h declares
 * saved_command_line, linux/psi.h the static key psi_disabled.
 */
int lp_cmdline_proc_show(struct seq_file *m, void *v)
{
	version_proc_show(m, v);
	seq_printf(m, "%s\n", saved_command_line);
	seq_printf(m, "%spressure, %d CPUs share a cache\n",
		   static_branch_likely(&psi_disabled) ? "no " : "",
		   raw_cpu_read(sd_llc_size));
	return 0;
}
