/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PAIRS_H
#define PAIRS_H

#include <linux/mutex.h>
#include <linux/types.h>

struct seq_file;

struct pair {
	struct mutex lock;	/* protects the rest */
	bool form_a;
	bool form_b;
};

struct pair_ext {
	unsigned long seen;
};

int lp_pairs_show(struct seq_file *m, void *v);
void lp_pairs_b(struct pair *p);

#endif
