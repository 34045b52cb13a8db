/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LP_LEDGER_H
#define LP_LEDGER_H

#include "target/ledger.h"

/*
 * The new form: larger, so that it takes another place in memory. What old code would read of it,
 * old.cents, is nonsense on purpose.
 */
struct lp_account {
	struct account old;	/* the first member: kfree() takes either */
	u64 cents;
};

/* The target's own, which it calls ledger. */
extern struct ledger lp_the_ledger;

/* The replacements. */
int lp_ledger_open(struct ledger *l, u32 cents);
int lp_ledger_set(struct ledger *l, u32 id, u32 cents);
int lp_ledger_move(struct ledger *l, u32 from, u32 to, u32 cents);
int lp_ledger_audit(struct ledger *l);
int lp_ledger_show(struct seq_file *m, void *v);

#endif
