// SPDX-License-Identifier: GPL-2.0-only
/* lppack_engine: calls are redirected by ftrace, each by the universe that it belongs to. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/ftrace.h>
#include <linux/hash.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "faults.h"
#include "threads.h"

#ifdef ftrace_instruction_pointer_set	/* until 6.2 */
#define lpe_set_ip ftrace_instruction_pointer_set
#else
#define lpe_set_ip ftrace_regs_set_instruction_pointer
#endif

/*
 * There is no FTRACE_OPS_FL_RECURSION, which costs more than all the rest: so nothing here may be
 * traced, and everything is inlined or marked. It may run in any context. The route is read once:
 * an activation has one universe.
 *
 * Threads are found without a lock, with preemption off: lpe_threads_end() waits for that before it
 * frees anything.
 */
static __always_inline void lpe_redirect(const struct lpe_func *func, struct ftrace_regs *fregs)
{
	u32 universe = READ_ONCE(*func->route);
	const struct lpe_thread *thread;

	if (unlikely(universe == LPE_BY_COUNT)) {
		lpe_test_point(LPE_IN_CALL);
		lpe_set_ip(fregs, func->wrapper);
		return;
	}
	if (unlikely(universe == LPE_BY_THREAD)) {
		lpe_test_point(LPE_BEFORE_ENTRY);
		if (!lpe_leaves_out(LPE_RUDE_ONLY))
			preempt_disable_notrace();
		/* Read again: the transition may have ended, and its threads may be gone. */
		universe = READ_ONCE(*func->route);
		if (universe == LPE_BY_THREAD) {
			thread = lpe_thread_of(current);
			lpe_test_point(LPE_AT_ENTRY);
			universe = thread ? READ_ONCE(thread->universe) : lpe_threads_rest();
		}
		if (!lpe_leaves_out(LPE_RUDE_ONLY))
			preempt_enable_notrace();
	}
	lpe_test_point(LPE_IN_CALL);
	if (universe == LPE_NEW)
		lpe_set_ip(fregs, func->new);
}

/* Of an object with one function: nothing is looked up. */
static void notrace lpe_redirect_only(unsigned long ip, unsigned long parent_ip,
				      struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	lpe_redirect(container_of(ops, struct lpe_object, ops)->funcs, fregs);
}

/* As hash_32(), with a shift that need not be computed at each call. */
static __always_inline unsigned int lpe_slot_of(const struct lpe_object *obj, unsigned long fentry)
{
	return (u32)fentry * GOLDEN_RATIO_32 >> obj->slot_shift;
}

/*
 * At least half of the slots are empty, so a search ends. One that finds nothing is of a
 * registration that failed: while ftrace takes its filter away it may call for any function.
 */
static void notrace lpe_redirect_one_of(unsigned long ip, unsigned long parent_ip,
					struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	const struct lpe_object *obj = container_of(ops, struct lpe_object, ops);
	unsigned int slot = lpe_slot_of(obj, ip);

	while (obj->slots[slot].fentry != ip) {
		if (unlikely(!obj->slots[slot].fentry))
			return;
		slot = (slot + 1) & (BIT(obj->slot_bits) - 1);
	}
	lpe_redirect(obj->slots[slot].func, fregs);
}

static int lpe_fill_slots(struct lpe_object *obj)
{
	struct lpe_func *func;
	unsigned int slot;

	memset(obj->slots, 0, sizeof(*obj->slots) << obj->slot_bits);
	lpe_for_each_func(obj, func) {
		slot = lpe_slot_of(obj, func->fentry);
		while (obj->slots[slot].fentry) {
			if (obj->slots[slot].fentry == func->fentry) {
				pr_err("%s and %s are one function\n",
				       obj->slots[slot].func->klp->old_name, func->klp->old_name);
				return -EINVAL;
			}
			slot = (slot + 1) & (BIT(obj->slot_bits) - 1);
		}
		obj->slots[slot] = (struct lpe_slot) { .fentry = func->fentry, .func = func };
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
	err = func->fentry ? ftrace_set_filter_ip(&obj->ops, func->fentry, 0, 0) : -EINVAL;
	if (err)
		pr_err("%s cannot be traced, so it cannot be redirected: %d\n",
		       func->klp->old_name, err);
	return err;
}

/* Find the function that other code redirects: each is tried by itself. */
static void lpe_find_owner(struct lpe_object *obj)
{
	struct lpe_func *func;
	int err;

	lpe_for_each_func(obj, func) {
		err = ftrace_set_filter_ip(&obj->ops, func->fentry, 0, 1);
		if (!err)
			err = register_ftrace_function(&obj->ops);
		if (!err)
			unregister_ftrace_function(&obj->ops);
		else if (err == -EBUSY)
			lpe_tell_owner(func);
	}
}

static int lpe_register(struct lpe_object *obj)
{
	int err;

	err = lpe_fill_slots(obj);
	if (err)
		return err;
	err = register_ftrace_function(&obj->ops);
	if (err == -EBUSY)
		lpe_find_owner(obj);
	else if (err)
		pr_err("functions of %s cannot be hooked: %d\n", obj->klp->name ?: "vmlinux", err);
	return err;
}

/* All or none; calls go to the old functions until a route says otherwise. */
int lpe_hook(struct lpe_object *obj)
{
	struct lpe_func *func;
	int err = 0;

	lpe_assert_locked();
	if (!obj->count)
		return 0;
	obj->ops.func = obj->count == 1 ? lpe_redirect_only : lpe_redirect_one_of;
	/* PERMANENT: sysctl kernel.ftrace_enabled may not be turned off under us. */
	obj->ops.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT;
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
	/* A reader that sees it also sees where the functions are: lpe_span_at(). */
	smp_store_release(&obj->hooked, true);
	return 0;
}

/* On return no thread is in a trampoline or in lpe_redirect(): ftrace has waited for that. */
void lpe_unhook(struct lpe_object *obj)
{
	struct lpe_func *func;

	lpe_assert_locked();
	if (!obj->ops.func)	/* lpe_hook() was not called */
		return;
	if (obj->hooked) {
		WRITE_ONCE(obj->hooked, false);
		unregister_ftrace_function(&obj->ops);
	} else {
		/* A registration that failed was on ftrace's list, and ftrace need not wait. */
		synchronize_rcu_tasks_rude();
	}
	ftrace_free_filter(&obj->ops);
	memset(&obj->ops, 0, sizeof(obj->ops));
	lpe_for_each_func(obj, func) {
		WRITE_ONCE(func->hooked, false);
		lpe_forget_body(func);
	}
}
