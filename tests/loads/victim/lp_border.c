// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function that stands between a thread and user mode: kernel/task_work.c (v6.1), as it is.
 * What it calls is in the patched set, too, so that all works of one run must be of one universe.
 */
#include <linux/sched.h>
#include <linux/task_work.h>

#include "lp_victim.h"
#include "lppack.h"

extern struct callback_head work_exited;

void lp_task_work_run(void)
{
	struct task_struct *task = current;
	struct callback_head *work, *head, *next;

	for (;;) {
		work = READ_ONCE(task->task_works);
		do {
			head = NULL;
			if (!work) {
				if (task->flags & PF_EXITING)
					head = &work_exited;
				else
					break;
			}
		} while (!try_cmpxchg(&task->task_works, &work, head));
		if (!work)
			break;
		raw_spin_lock_irq(&task->pi_lock);
		raw_spin_unlock_irq(&task->pi_lock);
		do {
			next = work->next;
			work->func(work);
			work = next;
			cond_resched();
		} while (work);
	}
}
