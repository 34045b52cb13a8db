// SPDX-License-Identifier: GPL-2.0-only
/* Uses all that the target has; /proc/sys/kernel/panic 4242 makes pre_patch fail. */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/panic.h>
#include <linux/seq_file.h>

#include "lppack.h"

int lp_victim_pre(struct klp_object *obj)
{
	return panic_timeout == 4242 ? -ENODEV : 0;
}

int lp_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_printf(m, "new %s\n", saved_command_line);
	return 0;
}

int lp_victim_show(struct seq_file *m, void *v)
{
	this_cpu_inc(victim_count);
	lp_trace(victim_shown, victim_counter);
	pr_debug("shown\n");
	seq_printf(m, "new %d %d %d counter %d %s shown %d call %d %s %d base %d %d\n",
		   dup_helper_main(11), dup_helper_other(12), victim_exported(11), victim_counter,
		   lp_key_enabled(victim_loud) ? "loud" : "quiet", this_cpu_read(victim_count),
		   lp_static_call(victim_call)(7), lp_module_victim()->name,
		   lp_slot_dup_helper_main != dup_helper_main, base_note(0),
		   base_so_far);
	return 0;
}
