/* SPDX-License-Identifier: GPL-2.0-only */
/* Made by lppack for lppack_ledger_1: what the generated files know of one another. */
#ifndef LP_RUNTIME_H
#define LP_RUNTIME_H

#include <linux/livepatch.h>
#include <linux/types.h>

/* Data that the version before has handed on. */
static inline struct klp_state *lp_prev_state(unsigned long id)
{
	return NULL;	/* no patch takes the place of another: lppack_engine refuses it */
}

int lp_series_take(struct klp_patch *patch);
void lp_series_settle(void);
void lp_series_leave(void);
void lp_series_give_back(void);
void lp_series_put(void);
int lp_series_do(int (*step)(bool on), bool on);

unsigned long lp_world_count(void);

#endif
