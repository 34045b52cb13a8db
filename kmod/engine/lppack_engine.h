/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lppack_engine: what a patch module asks of it.
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

/* Changes with what stands in this file, and with what the modes promise. */
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

/*
 * A symbol of a module, and where its address is to be while an object is patched: written before
 * pre_patch of that object. Cleared by the patch, in post_unpatch or where its pre_patch fails.
 */
struct lpe_symbol {
	const char *object;	/* NULL ends the list */
	const char *module;	/* the object, or one that it depends on */
	const char *name;
	unsigned long position;	/* as old_sympos of struct klp_func */
	void **slot;
};

/* What is done with one instance; an error ends the walk, and for_each returns it. */
struct lpe_visitor {
	int (*visit)(struct lpe_visitor *visitor, void *obj);
};

/*
 * TRANSFORM_WORLD: a type of which all instances change their form in the stop that flips the
 * kernel. In a stop nothing sleeps, allocates or waits for a lock. -EAGAIN of check or forward
 * asks for another try, before which prepare is called again. for_each meets each instance once.
 */
struct lpe_transform {
	const char *name;
	const char *object;		/* NULL: vmlinux */
	unsigned int max_stop_ms;	/* for the whole stop */
	int (*prepare)(void);		/* before a stop; may sleep. Or NULL */
	void (*finish)(void);		/* after it, whatever came of it; may sleep. Or NULL */
	int (*for_each)(struct lpe_visitor *visitor);
	bool (*is_new)(const void *obj);
	int (*check)(const void *obj);	/* or NULL */
	int (*forward)(void *obj);
	void (*reverse)(void *obj);
	unsigned long converted;	/* how many were, when the kernel flipped; the engine's */
};

struct lpe_options {
	u32 api;		/* LPE_API of the header that the patch was built with */
	enum lpe_mode mode;
	struct lpe_counter *counter;	/* LPE_REFCOUNT alone */
	const struct lpe_counted *counted;
	const struct lpe_symbol *symbols;	/* NULL: it uses none of modules */
	/*
	 * Where the kernel's lists of threads that exit are, in bytes: their heads in struct
	 * rcu_tasks_percpu, their nodes in struct task_struct. 0: there are none, as
	 * synchronize_rcu_tasks() waits until such threads have ended.
	 */
	unsigned int exit_head;
	unsigned int exit_node;
	struct lpe_transform *transforms;	/* with TRANSFORM_WORLD; stay where they are */
	unsigned int transform_count;
};

/* True if the visit that begins is one of the new universe. */
static __always_inline bool lpe_enter(struct lpe_counter *counter)
{
	return atomic_long_add_return(LPE_ENTERED + LPE_VISIT, &counter->word) & LPE_IN_NEW;
}

/* Nobody is inside: the whole kernel switches, unless somebody has come since word was read. */
static __always_inline void lpe_switch_if_last(struct lpe_counter *counter, long word)
{
	if ((word & (LPE_VISITS | LPE_ARMED)) == LPE_ARMED)
		atomic_long_cmpxchg(&counter->word, word, word ^ (LPE_ARMED | LPE_IN_NEW));
}

static __always_inline void lpe_leave(struct lpe_counter *counter)
{
	lpe_switch_if_last(counter, atomic_long_sub_return(LPE_VISIT, &counter->word));
}

int lpe_enable_patch(struct klp_patch *patch, const struct lpe_options *options);
void lpe_forget_patch(struct klp_patch *patch);

#endif
