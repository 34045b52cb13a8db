/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CROWD_H
#define CROWD_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/types.h>

#define MEMBER_ALIVE	0x616c6976
#define MEMBER_NEW	BIT(31)	/* what the original never sets */

struct crowd_counts {
	atomic_long_t existing;		/* allocated, and not freed after a grace period */
	atomic_long_t wrong;		/* met in the new form by original code */
	atomic_long_t converted;
	atomic_long_t reversed;
	atomic_long_t born_new;		/* converted before their first use */
	atomic_long_t freed_new;	/* freed in the new form */
};

struct member {
	struct mutex lock;	/* protects word */
	refcount_t users;
	struct rcu_head rcu;
	struct crowd_counts *counts;
	u32 word;		/* how often it was used */
	u32 alive;
	bool stubborn;
};

void member_use(struct member *m);
void member_gone(struct member *m);

#endif
