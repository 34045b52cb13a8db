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

/* Where a call goes: to one universe, or to that of its thread, or of the counter. */
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

/* What threads must leave, and what switches at one time, in a consistency mode. */
struct lpe_mode_info {
	const char *name;
	bool leave_kernel;	/* LEAVE_KERNEL; for kernel threads LEAVE_PATCHED_SET */
	bool by_thread;		/* SWITCH_THREAD */
	bool at_once;		/* LEAVE_FUNCTION: nothing is waited for */
	bool counted;		/* visits to the patched set are counted, see count.c */
};

struct lpe_patch;

/* What a frame of a function says about a thread that may be leaving the kernel. */
enum lpe_place {
	LPE_ELSEWHERE,	/* it has not left */
	LPE_WAY_OUT,	/* it has: this is one of the last functions of a visit */
	LPE_ON_WAY_OUT,	/* nothing: the function may also run inside of those */
	LPE_IN_WORKS,	/* the same; but it is task_work_run(), so work may be left */
};

struct lpe_func {
	/* Read by each call, see redirect.c. */
	unsigned long fentry;	/* ip that ftrace passes for a call of old */
	const u32 *route;	/* enum lpe_route: of the patch, or own */
	unsigned long new;
	unsigned long wrapper;	/* counts visits; 0: this mode does not count */
	const struct lpe_func *next;	/* next in the same slot of the hook; NULL: the last */

	u32 own;		/* SWITCH_FUNCTION: the route of this function alone */
	bool hooked;
	struct klp_func *klp;
	unsigned long old;
	unsigned long old_size;
	unsigned long cold;	/* NAME.cold, which the compiler has split off; 0: none */
	unsigned long cold_size;
	unsigned long new_size;
	unsigned long wrapper_size;
	const struct lpe_counted *counted;	/* NULL: this mode does not count */
	enum lpe_place place;	/* of old; the replacement stands for it on a stack */
};

/* A range of code of a patched function: the old one, its cold part, the new one or the wrapper. */
struct lpe_span {
	unsigned long start;
	unsigned long last;	/* the last address that belongs to it */
	struct lpe_func *func;
	bool old;		/* the old function, without its cold part */
};

#define LPE_SPANS	4	/* of a function */

/*
 * What ftrace calls for an object's functions. Each is found by its fentry in a table whose place
 * and size are fixed, so that a call need not load these.
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
	struct lpe_span *spans;	/* sorted by start; valid while hooked */
	unsigned int span_count;
	bool hooked;		/* its functions are; read without a lock, see lpe_hook() */
	bool began;		/* pre_patch succeeded, or there is none; post_unpatch is due */
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
	unsigned long tries;	/* attempts to find all threads outside */
	unsigned long stops;
	u64 longest_stop;	/* ns */
	atomic_long_t held;	/* threads, over all closed gates; each counts itself */
	unsigned long signalled;	/* how often a thread was signalled */
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

/* A list that stays the same for one reader, from its first read to its last. */
struct lpe_listing {
	struct mutex lock;	/* readers of the file race for the fields */
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
	struct lpe_world *world;	/* NULL: no TRANSFORM_WORLD */

	u32 route;		/* enum lpe_route; one word for all functions */
	u32 target;		/* LPE_OLD or LPE_NEW; written in a stop, or under lpe_lock */
	enum lpe_phase phase;	/* under lpe_lock */
	bool turn;		/* a reversal was requested; under lpe_lock */
	bool draining;		/* the universe is old, threads leave the module; under lpe_lock */

	/* percent of the time of a transition, see budget.c */
	unsigned int max_stop;
	unsigned int max_hold;
	u64 began;		/* ns; start of the transition; 0: there is none */
	u64 stopped_before;	/* of stats.stopped and .closed, when it began */
	u64 closed_before;
	unsigned int gate;	/* number of the last gate, from 1; the worker's, read in stops */
	bool closed;		/* the gate is closed; the worker's, read in stops */
	bool helps;		/* threads still left in the gate's second half; the worker's */
	bool woke;		/* this gate has sent fake signals too; the worker's */
	struct lpe_thread *asleep;	/* slept in the way while it was closed; NULL: none */

	bool kept;		/* ftrace may still use it, so nothing of it is freed */
	bool signals;		/* may wake sleepers, which may see EINTR */
	unsigned int deadline_ms;	/* for a transition, 0: none */

	/* of the last try: written in stops, and `left` by the worker too; read without a lock */
	unsigned int left;
	struct lpe_blocker blockers[LPE_BLOCKERS];
	struct lpe_listing listing;	/* for readers of the file blockers */
	struct lpe_statistics stats;
	u64 stop_began;		/* ns; in a stop */
	struct lpe_problem problem;
	long unseen;		/* the counter at the first look of lpe_look(); 0: none */
	long seen;		/* visits that lpe_arm() has found on stacks; in a stop */
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
 * Functions assert the context that their comments require: by lockdep, and in modules for tests on
 * every kernel. The latter does not check which thread holds the mutex.
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
	unsigned long switches;	/* how often it had been switched out when that was seen */
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
void lpe_tell_turned(const struct lpe_patch *patch);

/* budget.c */
void lpe_budget_begin(struct lpe_patch *patch);
void lpe_budget_end(struct lpe_patch *patch);
u64 lpe_moving_time(const struct lpe_patch *patch);
unsigned int lpe_stop_pause(const struct lpe_patch *patch);
unsigned int lpe_hold_pause(const struct lpe_patch *patch, unsigned int ms);
unsigned int lpe_hold_left(const struct lpe_patch *patch);

/* lists.c; sysfs takes const attributes in 7.2, and did not in 6.12 */
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
