/* SPDX-License-Identifier: GPL-2.0-only */
/* Made by lppack for lppack_proc_cmdline_1: declarations that the generated files share. */
#ifndef LP_RUNTIME_H
#define LP_RUNTIME_H

#include <linux/livepatch.h>
#include <linux/types.h>

/* The state of the previous version, with the data that it hands on; NULL: there is none. */
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
