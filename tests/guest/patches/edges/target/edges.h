/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EDGES_H
#define EDGES_H

#include <linux/atomic.h>

/* No operation of futex(2), without flags. */
#define EDGES_OP	99

int edges_deep(int depth);
extern atomic_t edges_strikes[2];	/* of NMI, by universe */

#endif
