// SPDX-License-Identifier: GPL-2.0-only
/*
 * From net/vmw_vsock/af_vsock.c of linux-source-6.1 6.1.170-3, with: vsock: fix buffer
 * size clamping order. Made by lppack draft.
 */

#include <linux/compat.h>
#include <linux/types.h>
#include <linux/bitops.h>
#include <linux/cred.h>
#include <linux/errqueue.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/sched/signal.h>
#include <linux/kmod.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/poll.h>
#include <linux/random.h>
#include <linux/skbuff.h>
#include <linux/smp.h>
#include <linux/socket.h>
#include <linux/stddef.h>
#include <linux/unistd.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/sock.h>
#include <net/af_vsock.h>
#include <uapi/linux/vm_sockets.h>

void lp_vsock_update_buffer_size(struct vsock_sock *vsk,
				 const struct vsock_transport *transport,
				 u64 val);

void lp_vsock_update_buffer_size(struct vsock_sock *vsk,
				 const struct vsock_transport *transport,
				 u64 val)
{
	if (val < vsk->buffer_min_size)
		val = vsk->buffer_min_size;

	if (val > vsk->buffer_max_size)
		val = vsk->buffer_max_size;

	if (val != vsk->buffer_size &&
	    transport && transport->notify_buffer_size)
		transport->notify_buffer_size(vsk, &val);

	vsk->buffer_size = val;
}
