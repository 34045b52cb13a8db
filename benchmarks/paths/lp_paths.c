// SPDX-License-Identifier: GPL-2.0-only
#include <linux/in.h>
#include <linux/netdevice.h>
#include <linux/sched.h>
#include <linux/version.h>
#include <net/udp.h>
#include "lp_paths.h"
#include "lppack.h"

extern int __udp4_lib_rcv(struct sk_buff *skb, struct udp_table *table, int proto);

asmlinkage long lp_getppid(const struct pt_regs *unused)
{
	int pid;

	rcu_read_lock();
	pid = task_tgid_vnr(rcu_dereference(current->real_parent));
	rcu_read_unlock();
	return pid;
}

int lp_udp_rcv(struct sk_buff *skb)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	return __udp4_lib_rcv(skb, &udp_table, IPPROTO_UDP);
#else
	return __udp4_lib_rcv(skb, dev_net(skb->dev)->ipv4.udp_table, IPPROTO_UDP);
#endif
}
