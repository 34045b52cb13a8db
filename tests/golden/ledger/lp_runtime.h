/* SPDX-License-Identifier: GPL-2.0-only */
/* Made by lppack for lppack_ledger_1: declarations that the generated files share. */
#ifndef LP_RUNTIME_H
#define LP_RUNTIME_H

#include <linux/livepatch.h>
#include <linux/types.h>

/* The state of the previous version, with the data that it hands on; NULL: there is none. */
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
