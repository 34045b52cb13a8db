/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LP_PATHS_H
#define LP_PATHS_H

#include <linux/linkage.h>

struct pt_regs;
struct sk_buff;

asmlinkage long lp_getppid(const struct pt_regs *unused);
int lp_udp_rcv(struct sk_buff *skb);

#endif
