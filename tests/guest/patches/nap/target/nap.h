/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NAP_H
#define NAP_H

#include <linux/atomic.h>
#include <linux/wait.h>

struct nap {
	wait_queue_head_t sleepers;
	unsigned int turn;	/* changes with each waking */
	atomic_t count[2];	/* calls that have begun, of the old and of the new function */
};

static inline int nap_sleep(struct nap *nap, int universe)
{
	unsigned int turn = READ_ONCE(nap->turn);

	atomic_inc(&nap->count[universe]);
	return wait_event_killable(nap->sleepers, READ_ONCE(nap->turn) != turn);
}

#endif
