/* SPDX-License-Identifier: GPL-2.0-only */
/* What kmod/engine/count.c needs of the kernel and of the engine, for one thread in user space. */
#ifndef COUNTING_KERNEL_H
#define COUNTING_KERNEL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LPPACK_ENGINE_INTERNAL_H	/* instead of internal.h */

#undef __always_inline
#define __always_inline			inline __attribute__((always_inline))
#define BIT(n)				(1UL << (n))
#define READ_ONCE(x)			(x)
#define WRITE_ONCE(x, value)		((x) = (value))
#define time_after(a, b)		((long)((b) - (a)) < 0)
#define msecs_to_jiffies(ms)		(ms)
#define pr_warn(...)			fprintf(stderr, __VA_ARGS__)

typedef uint32_t u32;
typedef int32_t s32;
typedef struct {
	long counter;
} atomic_long_t;

static inline long atomic_long_read(const atomic_long_t *v)
{
	return v->counter;
}

static inline long atomic_long_add_return(long i, atomic_long_t *v)
{
	return v->counter += i;
}

static inline long atomic_long_sub_return(long i, atomic_long_t *v)
{
	return v->counter -= i;
}

static inline void atomic_long_or(long i, atomic_long_t *v)
{
	v->counter |= i;
}

static inline void atomic_long_and(long i, atomic_long_t *v)
{
	v->counter &= i;
}

static inline void atomic_long_xor(long i, atomic_long_t *v)
{
	v->counter ^= i;
}

static inline long atomic_long_fetch_andnot(long i, atomic_long_t *v)
{
	long old = v->counter;

	v->counter &= ~i;
	return old;
}

static inline long atomic_long_cmpxchg(atomic_long_t *v, long old, long new)
{
	long was = v->counter;

	if (was == old)
		v->counter = new;
	return was;
}

struct klp_patch;
struct static_call_key;

#include "lppack_engine.h"

enum lpe_route { LPE_OLD, LPE_NEW, LPE_BY_THREAD, LPE_BY_COUNT };

struct module {
	const char *name;
};

struct klp_patch {
	struct module *mod;
};

struct task_struct;
struct lpe_world;

struct lpe_patch {
	struct klp_patch *klp;
	struct lpe_counter *counter;
	struct lpe_world *world;
	u32 route;
	u32 target;
	struct {
		unsigned long lost;
	} stats;
	long unseen;
	long seen;
};

typedef bool (lpe_visit)(struct lpe_patch *patch, struct task_struct *task);

extern unsigned long jiffies;
void synchronize_rcu_tasks(void);
int lpe_stop(int (*body)(void *patch), struct lpe_patch *patch);
bool lpe_each_task(struct lpe_patch *patch, lpe_visit *visit);
bool lpe_is_counted(struct lpe_patch *patch, struct task_struct *task);
bool lpe_all_ready(struct lpe_patch *patch);
void lpe_no_blockers(struct lpe_patch *patch);
int lpe_world_turn(struct lpe_patch *patch);
void lpe_count_begin(struct lpe_patch *patch);
int lpe_count_try(struct lpe_patch *patch);
int lpe_count_end(struct lpe_patch *patch);

#endif
