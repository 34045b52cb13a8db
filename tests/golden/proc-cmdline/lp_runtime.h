/* SPDX-License-Identifier: GPL-2.0-only */
/* Made by lppack for lppack_proc_cmdline_1: what the generated files know of one another. */
#ifndef LP_RUNTIME_H
#define LP_RUNTIME_H

#include <linux/livepatch.h>
#include <linux/types.h>

/* Data that the version before has handed on. */
static inline struct klp_state *lp_prev_state(unsigned long id)
{
	return klp_get_prev_state(id);
}

int lp_series_take(struct klp_patch *patch);
void lp_series_settle(void);
void lp_series_leave(void);
void lp_series_give_back(void);
void lp_series_put(void);
int lp_series_do(int (*step)(bool on), bool on);

int lp_unload_init(void);
void lp_unload_keep(void);
void lp_unload_exit(void);

#endif
