/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LP_CALLS_H
#define LP_CALLS_H

int lp_calls_leaf(int number);
int lp_calls_other(int number);

#endif
