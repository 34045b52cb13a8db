/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CAUGHT_H
#define CAUGHT_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <linux/wait.h>

struct caught {
	bool (*inner)(struct caught *caught);	/* caught_inner(); true: it is the new one */
	wait_queue_head_t keep;
	bool keeps;
	atomic_t inside;	/* threads that are kept */
};

bool caught_inner(struct caught *caught);
bool caught_outer(struct caught *caught);

#endif
