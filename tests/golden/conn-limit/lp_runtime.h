/* SPDX-License-Identifier: GPL-2.0-only */
/* Made by lppack for lppack_conn_limit_1: what the generated files know of one another. */
#ifndef LP_RUNTIME_H
#define LP_RUNTIME_H

#include <linux/types.h>

struct module;

int lp_convert_init(void);
void lp_convert_exit(void);
void lp_convert_start(void);
int lp_convert_stop(bool for_ever);
bool lp_convert_is_on(void);
unsigned long lp_convert_count(void);
unsigned long lp_convert_left_old(void);
void lp_drop_conn(void);
void lp_set_target_conn(struct module *mod);

#endif
