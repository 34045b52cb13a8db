/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GATES_H
#define GATES_H

#include <linux/spinlock.h>
#include <linux/types.h>

/* The form of a cell: in the new one this bit of word is set. */
#define GATES_NEW	0x80000000

enum gates_universe { GATES_OLD_CODE, GATES_NEW_CODE };

struct gates_cell {
	spinlock_t lock;	/* protects word */
	u32 word;		/* how often it was used */
};

struct gates_thread;

/* What f and g call here; new code has no other way to these symbols. */
struct gates_ops {
	void (*enter)(struct gates_thread *t, char name, enum gates_universe u);
	/* Waits at the gate. The cell that is to be used; NULL: return. */
	struct gates_cell *(*next)(struct gates_thread *t);
	/* Under the lock of the cell that next() gave. */
	void (*used)(struct gates_thread *t);
	void (*leave)(struct gates_thread *t, char name, enum gates_universe u);
};

struct gates_thread {
	const struct gates_ops *ops;
};

void gates_f(struct gates_thread *t);
void gates_g(struct gates_thread *t);

#endif
