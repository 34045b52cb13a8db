// SPDX-License-Identifier: GPL-2.0-only
/* lppack_engine: redirect calls with ftrace, each to the function of its universe. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/ftrace.h>
#include <linux/hash.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "faults.h"
#include "threads.h"

#ifdef ftrace_instruction_pointer_set	/* until 6.2 */
#define lpe_set_ip ftrace_instruction_pointer_set
#else
#define lpe_set_ip ftrace_regs_set_instruction_pointer
#endif

/*
 * FTRACE_OPS_FL_RECURSION is not used, because its check costs more than all the rest. So nothing
 * here may be traced: everything is inlined or marked notrace. It may run in any context. The value
 * that decides is read only once, so a call has one universe.
 *
 * Entries of threads are looked up without a lock, with preemption off. This pairs with
 * synchronize_rcu_tasks_rude() in lpe_threads_end(), before entries are freed.
 */
static __always_inline u32 lpe_universe_of_thread(const struct lpe_func *func)
{
	const struct lpe_thread *thread;
	u32 universe;

	lpe_test_point(LPE_BEFORE_ENTRY);
	if (!lpe_leaves_out(LPE_RUDE_ONLY))
		preempt_disable_notrace();
	/*
	 * Read again, with preemption off: the transition may have ended, and its entries may be
	 * gone.
	 */
	universe = READ_ONCE(*func->route);
	if (universe == LPE_BY_THREAD) {
		thread = lpe_thread_of(current);
		lpe_test_point(LPE_AT_ENTRY);
		universe = thread ? READ_ONCE(thread->universe) : lpe_threads_rest();
	}
	if (!lpe_leaves_out(LPE_RUDE_ONLY))
		preempt_enable_notrace();
	return universe;
}

static __always_inline void lpe_redirect(const struct lpe_func *func, struct ftrace_regs *fregs)
{
	u32 universe = READ_ONCE(*func->route);

	/* Outside of a transition, calls of a live patch end here, after one comparison. */
	if (likely(universe == LPE_NEW)) {
		lpe_test_point(LPE_IN_CALL);
		lpe_set_ip(fregs, func->new);
		return;
	}
	if (universe == LPE_BY_THREAD)
		universe = lpe_universe_of_thread(func);
	lpe_test_point(LPE_IN_CALL);
	if (universe == LPE_NEW)
		lpe_set_ip(fregs, func->new);
	else if (universe == LPE_BY_COUNT)
		lpe_set_ip(fregs, func->wrapper);
}

/* For an object with one function: no table is needed. */
static void notrace lpe_redirect_only(unsigned long ip, unsigned long parent_ip,
				      struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	lpe_redirect(container_of(ops, struct lpe_hook, ops)->slots[0], fregs);
}

/* The same as hash_32(), which may be traced where the compiler does not inline it. */
static __always_inline unsigned int lpe_slot_of(unsigned long fentry)
{
	return (u32)fentry * GOLDEN_RATIO_32 >> (32 - LPE_SLOT_BITS);
}

/*
 * ftrace calls this for the functions of its filter only, so the search finds one. If not, it ends
 * at lpe_no_func, the last of each slot.
 */
static void notrace lpe_redirect_one_of(unsigned long ip, unsigned long parent_ip,
					struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	const struct lpe_hook *hook = container_of(ops, struct lpe_hook, ops);
	const struct lpe_func *func = hook->slots[lpe_slot_of(ip)];

	while (unlikely(func->fentry != ip)) {
		func = func->next;
		if (!func)
			return;
	}
	lpe_redirect(func, fregs);
}

static const struct lpe_func lpe_no_func;

static unsigned int lpe_slot_count(const struct lpe_object *obj)
{
	return obj->count == 1 ? 1 : BIT(LPE_SLOT_BITS);
}

struct lpe_hook *lpe_hook_alloc(const struct lpe_object *obj)
{
	struct lpe_hook *hook;

	return kzalloc(struct_size(hook, slots, lpe_slot_count(obj)), GFP_KERNEL);
}

static int lpe_fill_slots(struct lpe_object *obj)
{
	const struct lpe_func **slots = obj->hook->slots, **slot, *other;
	struct lpe_func *func;
	unsigned int i;

	for (i = 0; i < lpe_slot_count(obj); i++)
		slots[i] = &lpe_no_func;
	lpe_for_each_func(obj, func) {
		slot = obj->count == 1 ? slots : &slots[lpe_slot_of(func->fentry)];
		for (other = *slot; other; other = other->next)
			if (other->fentry == func->fentry) {
				pr_err("%s and %s are one function\n", other->klp->old_name,
				       func->klp->old_name);
				return -EINVAL;
			}
		func->next = *slot;
		*slot = func;
	}
	return 0;
}

static int lpe_find(struct lpe_object *obj, struct lpe_func *func)
{
	int err;

	err = lpe_find_function(obj, func);
	if (err)
		return err;
	func->fentry = lpe_fentry_of(func->old);
	if (func->fentry)
		lpe_find_body(func);
	err = func->fentry ? ftrace_set_filter_ip(&obj->hook->ops, func->fentry, 0, 0) : -EINVAL;
	if (err)
		pr_err("%s cannot be traced, so it cannot be redirected: %d\n",
		       func->klp->old_name, err);
	return err;
}

/*
 * ftrace has met an inconsistency and turned itself off: from then on it refuses every request, but
 * continues to call. So everything that a call reads has to stay for ever: the allocated memory,
 * and the modules.
 *
 * If this happens in the init of a patch's module, that module goes nevertheless: do_init_module()
 * frees it, whatever its references. That does no harm, as the routes of the patch stay LPE_OLD: a
 * call then reads only the routes, the functions and the hook, none of which is in the module.
 */
static void lpe_keep(struct lpe_patch *patch, int err)
{
	lpe_assert_locked();
	if (patch->kept)
		return;
	pr_err("ftrace does not let go of %s: %d; what is loaded of it stays until a restart\n",
	       patch->klp->mod->name, err);
	patch->kept = true;
	__module_get(patch->klp->mod);
	__module_get(THIS_MODULE);
}

/*
 * Register the ops. On an ordinary error FTRACE_OPS_FL_ENABLED is clear: ftrace_startup() has not
 * set it, or has undone everything. If ftrace turns itself off halfway, it undoes nothing, and some
 * functions may call already: then the patch is kept.
 */
static int lpe_try_register(struct lpe_object *obj)
{
	struct ftrace_ops *ops = &obj->hook->ops;
	int err;

	err = register_ftrace_function(ops);
	if (err && ops->flags & FTRACE_OPS_FL_ENABLED)
		lpe_keep(obj->patch, err);
	return err;
}

/* Attempts to register. Each sleeps for one or two jiffies of 4 ms (HZ=250): 2 to 4 s in all. */
#define LPE_TRIES	500

/*
 * A BPF trampoline that is being changed cannot share its function with us at that moment, and does
 * not wait, because that could be a deadlock: -EAGAIN, after msleep(1)
 * (bpf_tramp_ftrace_ops_func()). Modules that are loaded meanwhile wait for lpe_lock.
 */
static int lpe_register_ops(struct lpe_object *obj)
{
	unsigned int tries = 0;
	int err;

	do
		err = lpe_try_register(obj);
	while (err == -EAGAIN && ++tries < LPE_TRIES && !fatal_signal_pending(current));
	return err;
}

static int lpe_unregister_ops(struct lpe_object *obj)
{
	int err;

	err = unregister_ftrace_function(&obj->hook->ops);
	if (err)
		lpe_keep(obj->patch, err);
	return err;
}

/* Log the functions that other code redirects: try to register each one alone, once. */
static void lpe_find_owner(struct lpe_object *obj)
{
	struct ftrace_ops *ops = &obj->hook->ops;
	struct lpe_func *func;
	int err;

	lpe_for_each_func(obj, func) {
		err = ftrace_set_filter_ip(ops, func->fentry, 0, 1);
		if (!err)
			err = lpe_try_register(obj);
		if (!err)
			lpe_unregister_ops(obj);
		if (obj->patch->kept)
			return;
		if (err == -EBUSY)
			lpe_tell_owner(func);
	}
}

static int lpe_register(struct lpe_object *obj)
{
	const char *name = obj->klp->name ?: "vmlinux";
	int err;

	err = lpe_fill_slots(obj);
	if (err)
		return err;
	err = lpe_register_ops(obj);
	if (err == -EBUSY && !lpe_ftrace_is_on())
		pr_err("functions of %s cannot be hooked: ftrace is off; turn it on: sysctl kernel.ftrace_enabled=1\n",
		       name);
	else if (err == -EBUSY)
		lpe_find_owner(obj);
	else if (err == -EAGAIN)
		pr_err("functions of %s cannot be hooked: BPF programs come and go there; try again\n",
		       name);
	else if (err)
		pr_err("functions of %s cannot be hooked: %d\n", name, err);
	return err;
}

/*
 * Hook all functions of an object, or none. Calls go to the old functions until a route says
 * otherwise.
 */
int lpe_hook(struct lpe_object *obj)
{
	struct ftrace_ops *ops;
	struct lpe_func *func;
	int err = 0;

	lpe_assert_locked();
	if (!obj->hook)
		return 0;
	if (obj->patch->kept)
		return -ENODEV;
	ops = &obj->hook->ops;
	ops->func = obj->count == 1 ? lpe_redirect_only : lpe_redirect_one_of;
	/* PERMANENT: sysctl kernel.ftrace_enabled cannot be set to 0 while this is registered. */
	ops->flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT;
	lpe_for_each_func(obj, func) {
		err = lpe_find(obj, func);
		if (err)
			break;
	}
	if (!err)
		err = lpe_register(obj);
	if (err) {
		lpe_unhook(obj);
		return err;
	}
	lpe_for_each_func(obj, func)
		WRITE_ONCE(func->hooked, true);
	lpe_spans_make(obj);
	/*
	 * Pairs with lpe_span_at() and lpe_place_of_new(): a reader that sees hooked also sees the
	 * spans and the functions.
	 */
	smp_store_release(&obj->hooked, true);
	return 0;
}

/*
 * Unhook an object. On return no thread is in a trampoline or in lpe_redirect(), because ftrace
 * waits for that, unless the patch is kept.
 */
void lpe_unhook(struct lpe_object *obj)
{
	struct lpe_hook *hook = obj->hook;
	struct lpe_func *func;

	lpe_assert_locked();
	/* lpe_hook() was not called, or ftrace has turned itself off. */
	if (!hook || !hook->ops.func || obj->patch->kept)
		return;
	if (obj->hooked) {
		WRITE_ONCE(obj->hooked, false);
		if (lpe_unregister_ops(obj)) {
			WRITE_ONCE(obj->hooked, true);
			return;
		}
	} else {
		/*
		 * A failed registration may have been called for a moment, and ftrace need not wait
		 * for that.
		 */
		synchronize_rcu_tasks_rude();
	}
	ftrace_free_filter(&hook->ops);
	memset(&hook->ops, 0, sizeof(hook->ops));
	lpe_for_each_func(obj, func) {
		WRITE_ONCE(func->hooked, false);
		lpe_forget_body(func);
	}
}
