/* SPDX-License-Identifier: GPL-2.0-only */
/* lppack_engine: look up a thread's universe without a lock and without a function call. */
#ifndef LPPACK_ENGINE_THREADS_H
#define LPPACK_ENGINE_THREADS_H

#include <linux/hash.h>
#include <linux/rculist.h>

#include "internal.h"

#define LPE_THREADS_BITS	10

extern struct hlist_head lpe_threads[1 << LPE_THREADS_BITS];
extern u32 lpe_rest;	/* universe of a thread without an entry; written in stops */

static __always_inline struct hlist_head *lpe_threads_head(const struct task_struct *task)
{
	return &lpe_threads[hash_long((unsigned long)task, LPE_THREADS_BITS)];
}

/* Call it with preemption off, with lpe_threads_lock held, or in a stop. */
static __always_inline struct lpe_thread *lpe_thread_of(const struct task_struct *task)
{
	struct lpe_thread *thread;

	hlist_for_each_entry_rcu_notrace(thread, lpe_threads_head(task), node)
		if (thread->task == task)
			return thread;
	return NULL;
}

static __always_inline u32 lpe_threads_rest(void)
{
	return READ_ONCE(lpe_rest);
}

#endif
