/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TICKS_H
#define TICKS_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#define TICK_ALIVE	0x71c4
#define TICK_NEW	0x80000000

struct tick {
	struct list_head list;
	spinlock_t lock;	/* protects word */
	u32 word;		/* how often it was touched */
	u32 alive;		/* TICK_ALIVE until it is freed */
};

struct soft {
	struct tick t;
};

struct hard {
	struct tick t;
};

/* What the new code keeps beside each. */
struct tick_ext {
	u64 touched;
};

#endif
