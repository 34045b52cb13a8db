/* SPDX-License-Identifier: GPL-2.0-only */
/* Made by lppack for lppack_ledger_1: what the author's code may call, and must define. */
#ifndef LPPACK_H
#define LPPACK_H

#include <linux/types.h>

struct klp_object;
struct klp_state;
struct module;

#include "target/ledger.h"

#include "lp_ledger.h"

/* The module ledger, as THIS_MODULE in its own code; NULL while it is not loaded. */
struct module *lp_module_ledger(void);

/*
 * Addresses of symbols of ledger; NULL while it is not loaded. A function is called by
 * its own name, whose address is that of a stub; the pointer here is the function itself.
 */

/*
 * The kernel patches a module's tracepoints, static keys and static calls into that module's own
 * code when it loads, and cannot do so for code of another module. For those of a patched module:
 *
 * lp_trace(NAME, ...): trace_NAME(...). `symbols` has __tracepoint_NAME and __traceiter_NAME.
 * lp_key_enabled(KEY): static_branch_likely(&KEY), or unlikely. `symbols` has KEY.
 * lp_static_call(NAME)(...): static_call(NAME)(...). `symbols` has __SCK__NAME.
 * lp_static_call_cond(NAME)(...): static_call_cond(NAME)(...), which does nothing while it is NULL.
 */
#define lp_trace(name, ...)						\
do {									\
	if (static_key_enabled(&__tracepoint_##name.key)) {		\
		preempt_disable_notrace();				\
		__traceiter_##name(NULL, ##__VA_ARGS__);		\
		preempt_enable_notrace();				\
	}								\
} while (0)
#define lp_key_enabled(key)	static_key_enabled(&(key))
#define lp_static_call(name)	((typeof(__SCT__##name) *)READ_ONCE(__SCK__##name.func))
#define lp_static_call_cond(name)					\
({									\
	void *lp_func = READ_ONCE(__SCK__##name.func);			\
	(typeof(__SCT__##name) *)(lp_func ?: (void *)&__static_call_return0); \
})

/*
 * Transform account: all instances change in the stop that flips the kernel.
 *
 * The author defines these. The marker returns the form of an instance: true after forward, false
 * after reverse.
 *
 * prepare runs before a stop, and again after one that returned -EAGAIN: it refills what forward
 * uses. finish runs when the transition is over, whatever its outcome. Both may sleep.
 *
 * The others run in the stop, where nothing may sleep, allocate or wait for a lock. No thread is in
 * a patched function then, and none holds a spinlock. But a mutex may be held: for_each checks
 * that, and returns -EAGAIN. It calls visit for each instance; if visit returns an error, it stops
 * and returns that error. reverse needs no memory and cannot fail.
 */
bool lp_account_is_new(const struct account *obj);
int lp_account_each(int (*visit)(struct account *obj, void *data), void *data);
int lp_account_prepare(void);
int lp_account_check(const struct account *obj);	/* may it be converted? */
int lp_account_upgrade(struct account *obj);
void lp_account_downgrade(struct account *obj);
void lp_account_finish(void);

/* A place where tests hold a thread. It does nothing in a module that is built for use. */
static inline void lp_test_point(const char *name)
{
}

#endif
