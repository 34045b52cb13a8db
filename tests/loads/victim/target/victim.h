/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VICTIM_H
#define VICTIM_H

#include <linux/spinlock.h>
#include <linux/types.h>

/* The form of a cell: in the new one this bit of word is set. */
#define VICTIM_NEW	0x80000000

enum victim_universe { VICTIM_OLD_CODE, VICTIM_NEW_CODE };

struct victim_cell {
	spinlock_t lock;	/* protects word */
	u32 word;		/* how often it was used */
};

struct victim_visit;

/* What new code calls here; it has no other way to these symbols. */
struct victim_ops {
	void (*inner)(struct victim_visit *v);	/* victim_inner() itself, to be redirected */
	void (*enter)(struct victim_visit *v, enum victim_universe u);
	void (*leave)(struct victim_visit *v, enum victim_universe u);
	void (*seen)(struct victim_visit *v, enum victim_universe u);
	void (*sleep)(struct victim_visit *v);
};

/* One activation of victim_outer(), and of all that it calls. */
struct victim_visit {
	const struct victim_ops *ops;
	struct victim_cell *cell;
	unsigned int ms;	/* that victim_outer() sleeps between two calls of victim_inner() */
	unsigned int seen;	/* a bit for each universe */
};

void victim_inner(struct victim_visit *v);
void victim_outer(struct victim_visit *v);

#endif
