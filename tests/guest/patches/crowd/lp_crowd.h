/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LP_CROWD_H
#define LP_CROWD_H

#define MEMBER_EXT_MAGIC	0x4c697665UL

struct member;

/* Beside a member in the new form; under its lock. */
struct member_ext {
	unsigned long magic;
	unsigned long uses;
};

void lp_member_use(struct member *m);
void lp_member_gone(struct member *m);

#endif
