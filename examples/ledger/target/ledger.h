/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LEDGER_H
#define LEDGER_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>

#define LEDGER_BUCKETS	1024

struct account {
	struct list_head list;	/* in a bucket, under the lock of the ledger */
	u32 id;			/* below 2^31 */
	u32 cents;
};

struct ledger {
	struct mutex lock;	/* protects all accounts */
	u32 count;		/* ids are given from 0 on */
	u32 turn;		/* changes when an audit is to go on */
	wait_queue_head_t auditors;
	struct list_head buckets[LEDGER_BUCKETS];
};

static inline struct list_head *ledger_bucket(struct ledger *l, u32 id)
{
	return &l->buckets[id % LEDGER_BUCKETS];
}

/* What an account adds to the digest of all of them. */
static inline u64 ledger_digest(u32 id, u64 cents)
{
	return (id + 1) * 0x9e3779b97f4a7c15ULL * cents;
}

struct seq_file;

int ledger_open(struct ledger *l, u32 cents);
int ledger_set(struct ledger *l, u32 id, u32 cents);
int ledger_move(struct ledger *l, u32 from, u32 to, u32 cents);
int ledger_audit(struct ledger *l);
int ledger_show(struct seq_file *m, void *v);

#endif
