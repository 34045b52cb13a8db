/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lppack_engine: its interface for patch modules.
 *
 * A patch is described by the kernel's own struct klp_patch, of which only the parts that are the
 * author's, and obj->mod, are used. Its callbacks run at the same steps as in kernel/livepatch,
 * under lpe_lock instead of klp_mutex. The kernel's own engine never sees the patch.
 */
#ifndef LPPACK_ENGINE_H
#define LPPACK_ENGINE_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/livepatch.h>
#include <linux/types.h>

/* Increment it when this interface changes, or what a mode guarantees. */
#define LPE_API		6

enum lpe_mode {
	LPE_NULL_MODEL,		/* LEAVE_FUNCTION SWITCH_FUNCTION */
	LPE_HYBRID,		/* LEAVE_PATCHED_SET SWITCH_THREAD */
	LPE_KPATCH,		/* LEAVE_PATCHED_SET SWITCH_KERNEL, by stacks */
	LPE_REFCOUNT,		/* LEAVE_PATCHED_SET SWITCH_KERNEL, by entries and exits */
	LPE_KGRAFT,		/* LEAVE_KERNEL SWITCH_THREAD */
	LPE_CHECKPOINT,		/* LEAVE_KERNEL SWITCH_KERNEL */
	LPE_MODES,
};

/*
 * LPE_REFCOUNT: the number of visits to the patched set that are under way, and the universe of
 * visits that begin now. They share a word, so that one operation counts a visit and reads its
 * universe. The upper half counts entries: if two reads show the same number of visits, but other
 * entries, these are not the same visits.
 */
struct lpe_counter {
	atomic_long_t word;
};

#define LPE_IN_NEW	1L	/* visits that begin now are of the new universe */
#define LPE_ARMED	2L	/* the last visit to end switches the kernel */
#define LPE_VISIT	4L
#define LPE_ENTERED	BIT(32)
#define LPE_VISITS	(LPE_ENTERED - LPE_VISIT)	/* signed, see lpe_visits() of count.c */

/* The wrapper of a replacement: calls go to it while visits are counted. */
struct lpe_counted {
	void *new;		/* the replacement; NULL ends the list */
	void *wrapper;
	struct static_call_key *old;	/* called for the old function, past its fentry call */
	void *old_tramp;
};

/**
 * struct lpe_symbol - A symbol of a module, and the pointer that gets its address.
 * @object: The address is valid while this object is patched. NULL ends the list.
 * @module: The module that defines it: the object, or one that the object depends on.
 * @name: Its name in the module's symbol table.
 * @position: Which of several symbols of that name, as old_sympos of struct klp_func.
 * @slot: The engine writes the address here before pre_patch of the object. The patch clears it,
 *	in post_unpatch or if its pre_patch fails.
 */
struct lpe_symbol {
	const char *object;
	const char *module;
	const char *name;
	unsigned long position;
	void **slot;
};

/**
 * struct lpe_visitor - The argument of for_each in struct lpe_transform.
 * @visit: Called by for_each with each instance. for_each stops at its first error, and returns it.
 */
struct lpe_visitor {
	int (*visit)(struct lpe_visitor *visitor, void *obj);
};

/**
 * struct lpe_transform - A data type, all instances of which are converted in one stop.
 * @name: For messages.
 * @object: The object that owns the data; NULL: vmlinux.
 * @max_stop_ms: Limit for the whole stop; of several transforms, the smallest one counts.
 * @prepare: Called before a stop that converts to the new form; may sleep. Or NULL.
 * @finish: Called when the transition is over, whatever its outcome, if prepare has succeeded or
 *	data was changed; may sleep. Or NULL.
 * @for_each: In a stop: calls the visitor for each instance, once.
 * @is_new: In a stop: true if an instance has the new form.
 * @check: In a stop, before anything is changed: 0 if an instance can be converted. Or NULL.
 * @forward: In a stop: converts an instance to the new form.
 * @reverse: In a stop: converts an instance back; cannot fail.
 * @converted: Written by the engine: the number of instances that were converted when the kernel
 *	switched; 0 after a revert.
 *
 * In a stop, nothing may sleep, allocate or wait for a lock. If @check or @forward returns
 * -EAGAIN, the engine calls @prepare again and makes another try.
 */
struct lpe_transform {
	const char *name;
	const char *object;
	unsigned int max_stop_ms;
	int (*prepare)(void);
	void (*finish)(void);
	int (*for_each)(struct lpe_visitor *visitor);
	bool (*is_new)(const void *obj);
	int (*check)(const void *obj);
	int (*forward)(void *obj);
	void (*reverse)(void *obj);
	unsigned long converted;
};

/**
 * struct lpe_options - How to run the transitions of a patch, see lpe_enable_patch().
 * @api: LPE_API of the header that the patch was built with.
 * @mode: The consistency mode.
 * @counter: Counts its visits; only with LPE_REFCOUNT.
 * @counted: The wrappers of its functions; only with LPE_REFCOUNT.
 * @symbols: The symbols of modules that it uses; NULL: none.
 * @exit_head: Offset in struct rcu_tasks_percpu, in bytes, of the list of exiting threads.
 *	0: this kernel has no such list; its synchronize_rcu_tasks() waits for exiting threads.
 * @exit_node: Offset in struct task_struct, in bytes, of the node in that list.
 * @transforms: The types that TRANSFORM_WORLD converts.
 * @transform_count: The number of @transforms.
 */
struct lpe_options {
	u32 api;
	enum lpe_mode mode;
	struct lpe_counter *counter;
	const struct lpe_counted *counted;
	const struct lpe_symbol *symbols;
	unsigned int exit_head;
	unsigned int exit_node;
	struct lpe_transform *transforms;
	unsigned int transform_count;
};

/**
 * lpe_enter() - Count a visit to the patched set that begins.
 * @counter: The patch's.
 *
 * One operation counts the visit and reads its universe, so the kernel cannot be switched
 * (lpe_switch_if_last(), or lpe_arm() in a stop) between the two. It returns a value, so it is a
 * full barrier, which pairs with lpe_leave(): a visit that finds the new universe sees what earlier
 * visits have written.
 *
 * Context: Any. To be paired with lpe_leave() by the same thread.
 *
 * Return: True if the visit is one of the new universe.
 */
static __always_inline bool lpe_enter(struct lpe_counter *counter)
{
	return atomic_long_add_return(LPE_ENTERED + LPE_VISIT, &counter->word) & LPE_IN_NEW;
}

/*
 * Switch the whole kernel if no visit is under way. If one has begun since word was read, the
 * entries in the upper half differ and cmpxchg fails; lpe_leave() of that visit tries again.
 */
static __always_inline void lpe_switch_if_last(struct lpe_counter *counter, long word)
{
	if ((word & (LPE_VISITS | LPE_ARMED)) == LPE_ARMED)
		atomic_long_cmpxchg(&counter->word, word, word ^ (LPE_ARMED | LPE_IN_NEW));
}

/**
 * lpe_leave() - Take a visit that ends off the count.
 * @counter: The same as for lpe_enter().
 *
 * The last visit of an armed word switches the kernel. The operation returns a value, so it is a
 * full barrier: the thread that finds the visit gone sees what the visit has written.
 *
 * Context: Any.
 */
static __always_inline void lpe_leave(struct lpe_counter *counter)
{
	lpe_switch_if_last(counter, atomic_long_sub_return(LPE_VISIT, &counter->word));
}

int lpe_enable_patch(struct klp_patch *patch, const struct lpe_options *options);
void lpe_forget_patch(struct klp_patch *patch);

#endif
