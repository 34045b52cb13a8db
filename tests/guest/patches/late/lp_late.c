// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched.h>
#include <linux/string.h>

#include "lppack.h"

void lp_proc_exit_connector(struct task_struct *task);

/* Does what the old one does while nobody listens to the connector: nothing. */
void lp_proc_exit_connector(struct task_struct *task)
{
	if (!strcmp(task->comm, "sleep"))
		lp_test_point("late");
}
