/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LP_TICKS_H
#define LP_TICKS_H

struct soft;
struct hard;

void lp_soft_touch(struct soft *o);
void lp_soft_free(struct soft *o);
void lp_hard_touch(struct hard *o);
void lp_hard_free(struct hard *o);

#endif
