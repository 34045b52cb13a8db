/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lppack_engine: its interface for patch modules.
 *
 * A patch is described with the kernel's own struct klp_patch, of which only the parts that are
 * the author's are used: its callbacks run at the same steps and under one lock of the engine, as
 * they do in kernel/livepatch. The kernel's own engine never sees it.
 */
#ifndef LPPACK_ENGINE_H
#define LPPACK_ENGINE_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/livepatch.h>
#include <linux/types.h>

/* Changes with this interface, and with what the modes promise. */
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
 * LPE_REFCOUNT: how many visits to the patched set are under way, and the universe of those that
 * begin now, in one word: a visit is counted and finds its universe at one instant. Its upper half
 * counts entries, so that the same number of visits is not taken for the same visits.
 */
struct lpe_counter {
	atomic_long_t word;
};

#define LPE_IN_NEW	1L	/* the universe */
#define LPE_ARMED	2L	/* the last visit to end switches the kernel */
#define LPE_VISIT	4L
#define LPE_ENTERED	BIT(32)
#define LPE_VISITS	(LPE_ENTERED - LPE_VISIT)	/* signed, see lpe_visits() of count.c */

/* A function of the patch module that stands for one that is replaced, while visits are counted. */
struct lpe_counted {
	void *new;		/* the replacement; NULL ends the list */
	void *wrapper;
	struct static_call_key *old;	/* called for the old function, past its fentry call */
	void *old_tramp;
};

/**
 * struct lpe_symbol - A symbol of a module, and where its address is to be.
 * @object: While this object is patched; NULL ends the list.
 * @module: Whose symbol it is: the object, or a module that it depends on.
 * @name: As in the module's symbol table.
 * @position: As old_sympos of struct klp_func.
 * @slot: Written before pre_patch of the object. Cleared by the patch, in post_unpatch or where its
 *	pre_patch fails.
 */
struct lpe_symbol {
	const char *object;
	const char *module;
	const char *name;
	unsigned long position;
	void **slot;
};

/**
 * struct lpe_visitor - What for_each of struct lpe_transform does with each instance.
 * @visit: If it returns an error, the walk ends, and for_each returns that error.
 */
struct lpe_visitor {
	int (*visit)(struct lpe_visitor *visitor, void *obj);
};

/**
 * struct lpe_transform - A type of which all instances change their form in the stop that flips.
 * @name: For people.
 * @object: Whose data it is; NULL: of vmlinux.
 * @max_stop_ms: How long the machine may stand still, for the whole stop.
 * @prepare: Called before a stop; may sleep. Or NULL.
 * @finish: Called after it, whatever came of it; may sleep. Or NULL.
 * @for_each: In a stop: meets each instance once.
 * @is_new: In a stop: which form an instance has.
 * @check: In a stop, before anything is changed: whether an instance can be. Or NULL.
 * @forward: In a stop: to the new form.
 * @reverse: In a stop: to the old form.
 * @converted: The engine's: how many were, when the kernel flipped.
 *
 * In a stop nothing sleeps, allocates or waits for a lock. -EAGAIN of @check or @forward requests
 * another try, before which @prepare is called again.
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
 * struct lpe_options - How a patch is to be moved, see lpe_enable_patch().
 * @api: LPE_API of the header that the patch was built with.
 * @mode: Of the consistency models.
 * @counter: Where its visits are counted, with LPE_REFCOUNT alone.
 * @counted: Its wrappers, with LPE_REFCOUNT alone.
 * @symbols: Those of modules that it uses; NULL: it uses none.
 * @exit_head: Where the kernel's lists of threads that exit have their heads, in bytes in struct
 *	rcu_tasks_percpu. 0: there are none, as synchronize_rcu_tasks() waits for such threads.
 * @exit_node: Where their nodes are, in bytes in struct task_struct.
 * @transforms: With TRANSFORM_WORLD: its types.
 * @transform_count: How many these are.
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
 * full barrier: the visit reads the universe's data only after it.
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
 * If no visit is counted, switch the whole kernel, unless one has begun since word was read: then
 * the entries in its upper half differ, and the end of that visit will try again.
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
