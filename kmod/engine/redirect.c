// SPDX-License-Identifier: GPL-2.0-only
/* lppack_engine: calls are redirected by ftrace, each by the universe that it belongs to. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/preempt.h>

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
static void notrace lpe_redirect(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
				 struct ftrace_regs *fregs)
{
	struct lpe_func *func = container_of(ops, struct lpe_func, ops);
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
		/* Asked again: the transition may have ended, and its threads may be gone. */
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

static int lpe_hook_func(struct lpe_object *obj, struct lpe_func *func)
{
	const char *name = func->klp->old_name;
	int err;

	func->ops.func = lpe_redirect;
	/* PERMANENT: sysctl kernel.ftrace_enabled may not be turned off under us. */
	func->ops.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT;
	err = lpe_find_body(func);
	if (err)
		return err;
	err = ftrace_set_filter_ip(&func->ops, func->old, 0, 0);
	if (err) {
		pr_err("%s cannot be traced, so it cannot be redirected: %d\n", name, err);
		goto free;
	}
	err = register_ftrace_function(&func->ops);
	if (err == -EBUSY)
		lpe_tell_owner(func);
	else if (err)
		pr_err("%s cannot be hooked: %d\n", name, err);
	if (err)
		goto free;
	func->hooked = true;
	return 0;
free:
	ftrace_free_filter(&func->ops);
	lpe_forget_body(func);
	return err;
}

/* All or none; calls go to the old functions until a route says otherwise. */
int lpe_hook(struct lpe_object *obj)
{
	struct lpe_func *func;
	int err;

	lockdep_assert_held(&lpe_lock);
	lpe_for_each_func(obj, func) {
		err = lpe_find_function(obj, func);
		if (!err)
			err = lpe_hook_func(obj, func);
		if (err) {
			lpe_unhook(obj);
			return err;
		}
	}
	lpe_spans_make(obj);
	/* A reader that sees it also sees where the functions are: lpe_span_at(). */
	smp_store_release(&obj->hooked, true);
	return 0;
}

/* On return nobody is in a trampoline or in lpe_redirect(): ftrace has waited for that. */
void lpe_unhook(struct lpe_object *obj)
{
	struct lpe_func *func;

	lockdep_assert_held(&lpe_lock);
	WRITE_ONCE(obj->hooked, false);
	lpe_for_each_func(obj, func) {
		if (!func->hooked)
			continue;
		func->hooked = false;
		unregister_ftrace_function(&func->ops);
		ftrace_free_filter(&func->ops);
		lpe_forget_body(func);
		memset(&func->ops, 0, sizeof(func->ops));
	}
}
