/* SPDX-License-Identifier: GPL-2.0-only */
/* lppack_engine: what its files share. */
#ifndef LPPACK_ENGINE_INTERNAL_H
#define LPPACK_ENGINE_INTERNAL_H

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/ftrace.h>
#include <linux/irqflags.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sysfs.h>
#include <linux/task_work.h>
#include <linux/version.h>

#include "lppack_engine.h"

/* The universes, and how a call finds its own. */
enum lpe_route {
	LPE_OLD,
	LPE_NEW,
	LPE_BY_THREAD,
	LPE_BY_COUNT,
};

enum lpe_phase {
	LPE_PATCHING,
	LPE_PATCHED,
	LPE_UNPATCHING,
	LPE_UNPATCHED,
};

/* What a mode requires, on the axes of the consistency models. */
struct lpe_mode_info {
	const char *name;
	bool leave_kernel;	/* user threads; kernel threads leave the patched set */
	bool by_thread;		/* SWITCH_THREAD */
	bool at_once;		/* LEAVE_FUNCTION: nothing is waited for */
	bool counted;		/* visits to the patched set are counted, stacks not checked */
};

struct lpe_patch;

/* What a function is to a thread that leaves the kernel. */
enum lpe_place {
	LPE_ELSEWHERE,
	LPE_WAY_OUT,	/* one of the last functions of a visit */
	LPE_ON_WAY_OUT,	/* what may be done in them */
	LPE_IN_WORKS,	/* task_work_run(), which is one of those */
};

struct lpe_func {
	/* Read by each call, see redirect.c. */
	unsigned long fentry;	/* of old: the address that ftrace knows it by */
	const u32 *route;	/* enum lpe_route: of the patch, or own */
	unsigned long new;
	unsigned long wrapper;	/* counts visits; 0: this mode does not count */
	const struct lpe_func *next;	/* in its slot of the hook; NULL: it is the end */

	u32 own;		/* SWITCH_FUNCTION: a word for each function */
	bool hooked;
	struct klp_func *klp;
	unsigned long old;
	unsigned long old_size;
	unsigned long cold;	/* the part that the compiler has moved away; 0: none */
	unsigned long cold_size;
	unsigned long new_size;
	unsigned long wrapper_size;
	const struct lpe_counted *counted;	/* NULL: as wrapper */
	enum lpe_place place;	/* of old; the replacement stands for it on a stack */
};

/* Where code of a function is: of the old one, its cold part, the new one, or the wrapper. */
struct lpe_span {
	unsigned long start;
	unsigned long last;	/* address that still belongs to it */
	struct lpe_func *func;
	bool old;
};

#define LPE_SPANS	4	/* of a function */

/*
 * Where calls of an object's functions arrive. The functions are found by their fentry in a table
 * of one size, so that a call reads neither where it is nor how large it is.
 */
struct lpe_hook {
	struct ftrace_ops ops;	/* one for all functions: unregistering waits for RCU once */
	const struct lpe_func *slots[];	/* one, or BIT(LPE_SLOT_BITS); valid while registered */
};

#define LPE_SLOT_BITS	8

struct lpe_object {
	struct klp_object *klp;
	struct lpe_patch *patch;
	struct lpe_hook *hook;	/* NULL: there are no functions */
	struct lpe_func *funcs;
	unsigned int count;
	struct lpe_span *spans;	/* by their starts; valid while hooked */
	unsigned int span_count;
	bool hooked;		/* its functions are; read without a lock, see redirect.c */
	bool began;		/* pre_patch was called and succeeded */
};

/* A thread that keeps a transition open, copied while it was stopped. */
struct lpe_blocker {
	pid_t pid;
	pid_t tid;
	char comm[TASK_COMM_LEN];
	unsigned long function;	/* an address in it; 0: none is known */
	const char *reason;
};

#define LPE_BLOCKERS	20

struct lpe_statistics {
	unsigned long tries;	/* to find all threads outside; each begins with a stop */
	unsigned long stops;
	u64 longest_stop;	/* ns */
	atomic_long_t held;	/* threads, over all closed gates; each counts itself */
	unsigned long signalled;	/* sleepers in the way */
	unsigned long lost;	/* counted visits whose threads have died */
	u64 transform;		/* ns, of the last stop that changed data */
	u64 moving;		/* ns, of all finished transitions */
	u64 stopped;		/* ns that the machine stood still */
	u64 closed;		/* ns that a gate was closed */
};

/* Why the last transition was given up, or what it still waits for. */
struct lpe_problem {
	const char *what;	/* NULL: there is none */
	const char *transform;	/* NULL: no transform is involved */
	int err;
};

struct lpe_world;

/* A list as its reader sees it, from the first read to the last. */
struct lpe_listing {
	struct mutex lock;	/* for all of it */
	const struct file *reader;	/* only compared: it may be closed */
	char *text;		/* NULL: nobody has read yet */
	size_t len;
};

struct lpe_patch {
	struct list_head list;
	struct kobject kobj;
	struct completion released;
	struct klp_patch *klp;
	const struct lpe_mode_info *mode;
	struct lpe_counter *counter;	/* NULL: its visits are not counted */
	const struct lpe_symbol *symbols;	/* NULL: there are none */
	unsigned long exit_heads;	/* per-CPU address, see stop.c; 0: there are none */
	unsigned int exit_node;
	struct lpe_object *objects;
	unsigned int count;
	struct lpe_world *world;	/* NULL: data is left as it is */

	u32 route;		/* enum lpe_route; one word for all functions */
	u32 target;		/* LPE_OLD or LPE_NEW; written in a stop, or under lpe_lock */
	enum lpe_phase phase;	/* under lpe_lock */
	bool turn;		/* a reversal was requested; under lpe_lock */
	bool draining;		/* the universe is old, threads leave the module; under lpe_lock */

	/* percent of the time of a transition, see budget.c */
	unsigned int max_stop;
	unsigned int max_hold;
	u64 began;		/* ns; the transition; 0: there is none */
	u64 stopped_before;	/* of stats.stopped and .closed, when it began */
	u64 closed_before;
	unsigned int gate;	/* its number, from 1 on; the worker's, read in stops */
	bool closed;		/* the gate is; the worker's, read in stops */
	bool helps;		/* its second half still got threads outside; the worker's */
	bool woke;		/* tried to wake all sleepers in the way; the worker's */
	struct lpe_thread *asleep;	/* slept in the way while it was closed; NULL: none */

	bool kept;		/* ftrace has not let go of it, so nothing of it is freed */
	bool signals;		/* may wake sleepers, which may see EINTR */
	unsigned int deadline_ms;	/* for a transition, 0: none */

	/* of the last try: written in stops, and `left` by the worker too; read without a lock */
	unsigned int left;
	struct lpe_blocker blockers[LPE_BLOCKERS];
	struct lpe_listing listing;	/* of blockers, for who reads them */
	struct lpe_statistics stats;
	u64 stop_began;		/* ns; in a stop */
	struct lpe_problem problem;
	long unseen;		/* of the counter: visits that are on no stack; the worker's */
	long seen;		/* visits that are on stacks for certain; in a stop */
};

#define lpe_for_each_object(patch, obj) \
	for (obj = (patch)->objects; obj < (patch)->objects + (patch)->count; obj++)
#define lpe_for_each_func(obj, func) \
	for (func = (obj)->funcs; func < (obj)->funcs + (obj)->count; func++)

/* core.c */
extern struct mutex lpe_lock;
extern struct list_head lpe_patches;
int lpe_set_enabled(struct lpe_patch *patch, bool on);
void lpe_pause(unsigned int ms);

/*
 * What comments say of a function's context is asserted in it: by lockdep, and in modules for tests
 * on every kernel. There, which thread holds the mutex is not checked.
 */
#ifdef LPE_TEST
#define lpe_assert_locked()	WARN_ON_ONCE(!mutex_is_locked(&lpe_lock))
#define lpe_assert_stopped()	WARN_ON_ONCE(!irqs_disabled())
#else
#define lpe_assert_locked()	lockdep_assert_held(&lpe_lock)
#define lpe_assert_stopped()	lockdep_assert_irqs_disabled()
#endif

/* redirect.c */
struct lpe_hook *lpe_hook_alloc(const struct lpe_object *obj);
int lpe_hook(struct lpe_object *obj);
void lpe_unhook(struct lpe_object *obj);

/* support.c */
int lpe_support_init(void);

/* symbols.c */
int lpe_symbols_init(void);
int lpe_find_function(struct lpe_object *obj, struct lpe_func *func);
unsigned long lpe_fentry_of(unsigned long function);
bool lpe_ftrace_is_on(void);
void lpe_tell_owner(const struct lpe_func *func);
int lpe_find_symbols(struct lpe_object *obj);
void lpe_find_body(struct lpe_func *func);
void lpe_forget_body(struct lpe_func *func);
int lpe_find_module(const char *name, struct module **found);
int lpe_stack_of(struct task_struct *task, unsigned long *entries, unsigned int size);
bool lpe_is_bpf(unsigned long address);
struct task_struct *lpe_idle_task(int cpu);
unsigned long lpe_symbol(const char *name, unsigned long *size);
int lpe_work_add(struct task_struct *task, struct callback_head *work,
		 enum task_work_notify_mode how);
struct callback_head *lpe_work_cancel(struct task_struct *task, task_work_func_t func);
int lpe_wake(struct task_struct *task, unsigned int state);
void lpe_fake_signal(struct task_struct *task);

/* stack.c */
int lpe_stack_init(void);
bool lpe_within(unsigned long address, unsigned long start, unsigned long size);
int lpe_whole_stack(struct task_struct *task, const unsigned long **entries);
enum lpe_place lpe_place_of(unsigned long old);
bool lpe_at_border(const unsigned long *entries, unsigned int count, bool *in_works);
unsigned long lpe_innermost(const unsigned long *entries, unsigned int count);

/* ways.c */
int lpe_ways_init(void);

/* spans.c */
void lpe_spans_make(struct lpe_object *obj);
const struct lpe_span *lpe_span_at(const struct lpe_patch *patch, unsigned long address);

/* leave.c */
bool lpe_is_user(const struct task_struct *task);
bool lpe_is_in_set(struct lpe_patch *patch, const unsigned long *entries, unsigned int count);
bool lpe_is_ready(struct lpe_patch *patch, struct task_struct *task);
bool lpe_is_counted(struct lpe_patch *patch, struct task_struct *task);
bool lpe_all_ready(struct lpe_patch *patch);
bool lpe_all_clear(struct lpe_patch *patch);
bool lpe_all_outside(struct lpe_patch *patch);
void lpe_no_blockers(struct lpe_patch *patch);

/* stop.c */
int lpe_find_exit_lists(struct lpe_patch *patch, const struct lpe_options *options);
int lpe_stop(int (*body)(void *patch), struct lpe_patch *patch);
typedef bool (lpe_visit)(struct lpe_patch *patch, struct task_struct *task);
bool lpe_each_task(struct lpe_patch *patch, lpe_visit *visit);

/* threads.c */
struct lpe_thread {
	struct hlist_node node;
	struct hlist_node grave;	/* separate, as a reader may still walk over node */
	struct task_struct *task;	/* a key; the task may have ended */
	struct lpe_work *work;	/* never NULL */
	u32 universe;		/* LPE_OLD or LPE_NEW */
	unsigned int gate;	/* number of the last gate that it was in the way of */
	unsigned long switches;	/* how often it had been switched out by then */
};

int lpe_threads_init(void);
int lpe_threads_begin(struct lpe_patch *patch);
void lpe_threads_end(void);
int lpe_threads_refill(void);
struct lpe_thread *lpe_thread_get(struct task_struct *task, u32 universe);
void lpe_thread_watch(struct lpe_patch *patch, struct task_struct *task);
bool lpe_thread_sleeps(const struct lpe_thread *thread);

/* border.c */
struct lpe_work;
struct lpe_work *lpe_work_new(void);
void lpe_work_put(struct lpe_work *work);
void lpe_at_work(struct callback_head *head);
bool lpe_has_left_kernel(const struct task_struct *task, const unsigned long *entries,
			 unsigned int count);
int lpe_border_init(void);
void lpe_border_begin(struct lpe_patch *patch);
void lpe_border_close(unsigned int ms);
void lpe_border_add(struct lpe_patch *patch, enum task_work_notify_mode how);
void lpe_border_signal(struct lpe_patch *patch);
void lpe_border_open(void);
void lpe_border_end(void);

/* count.c */
void lpe_count_begin(struct lpe_patch *patch);
int lpe_count_try(struct lpe_patch *patch);
int lpe_count_end(struct lpe_patch *patch);

/* patch.c */
struct lpe_object *lpe_object_named(struct lpe_patch *patch, const char *name);
void lpe_tell(struct lpe_patch *patch, const char *transform, const char *what, int err);

/* transform.c */
int lpe_world_turn(struct lpe_patch *patch);

/* world.c */
int lpe_world_begin(struct lpe_patch *patch, const struct lpe_options *options);
int lpe_world_provide(struct lpe_patch *patch);
void lpe_world_finish(struct lpe_patch *patch);
void lpe_world_free(struct lpe_patch *patch);

/* transition.c */
void lpe_run(struct lpe_patch *patch);

/* budget.c */
void lpe_budget_begin(struct lpe_patch *patch);
void lpe_budget_end(struct lpe_patch *patch);
u64 lpe_moving_time(const struct lpe_patch *patch);
unsigned int lpe_stop_pause(const struct lpe_patch *patch);
unsigned int lpe_hold_pause(const struct lpe_patch *patch, unsigned int ms);
unsigned int lpe_hold_left(const struct lpe_patch *patch);

/* lists.c; to sysfs they are const in 7.2, and were not in 6.12 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
#define LPE_CONST
#else
#define LPE_CONST const
#endif
extern LPE_CONST struct bin_attribute *LPE_CONST lpe_lists[];

/* sysfs.c */
static inline struct lpe_patch *to_patch(struct kobject *kobj)
{
	return container_of(kobj, struct lpe_patch, kobj);
}

int lpe_sysfs_init(void);
void lpe_sysfs_exit(void);
int lpe_sysfs_add(struct lpe_patch *patch, const char *name);
void lpe_sysfs_del(struct lpe_patch *patch);

#endif
