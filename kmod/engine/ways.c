// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: check, when it is loaded, that it knows the ways out of this kernel.
 *
 * stack.c recognises them by the names of functions. If a compiler has inlined one of these into
 * its caller, the engine would wait for threads for ever. So the code of each way is read: it has
 * to call, or jump to, a function that stack.c looks for. Otherwise the kernel is refused, with the
 * name of the way in the log. `doctor` checks this table with the kernel's image
 * (lppack/stages/ways_out.py).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/string.h>

#include <asm/cpufeature.h>

#include "internal.h"

#define LPE_NAMES	4

struct lpe_way {
	const char *what;
	const char *from[LPE_NAMES];	/* those that exist: one has to call one of to */
	const char *to[LPE_NAMES];
};

static const struct lpe_way lpe_ways[] __initconst = {
	{ "a system call", { "do_syscall_64" },
	  { "syscall_exit_to_user_mode", "exit_to_user_mode_loop" } },
	{ "an interrupt", { "irqentry_exit" },
	  { "irqentry_exit_to_user_mode", "task_work_run" } },
	{ "a breakpoint", { "exc_int3" },
	  { "irqentry_exit_to_user_mode", "exit_to_user_mode_loop" } },
	{ "a new thread", { "ret_from_fork", "ret_from_fork_asm" },
	  { "syscall_exit_to_user_mode", "exit_to_user_mode_loop" } },
	{ "a debugger's stop", { "syscall_trace_enter", "syscall_trace_enter.constprop.0",
				 "do_syscall_64" },
	  { "ptrace_notify" } },
	{ "task work", { "exit_to_user_mode_prepare", "exit_to_user_mode_loop",
			 "syscall_exit_to_user_mode" },
	  { "task_work_run" } },
};

/* With CONFIG_CALL_THUNKS a call may lead to the padding before a function. */
#define LPE_PADDING	16

/*
 * True if the code at from..from+size has a call or a jump to `to`. A call, jump or conditional
 * jump ends in its distance, of four bytes, counted from its own end. Only a jump to the function
 * right behind may have two bytes in all. Instructions are not decoded: other bytes look like one
 * with a chance of 1 in 2^32.
 */
static bool __init lpe_leads_to(const u8 *from, unsigned long size, unsigned long to)
{
	unsigned long i, target;
	s32 distance;

	for (i = 2; i <= size; i++) {
		if (from[i - 2] == 0xeb && (unsigned long)from + i + (s8)from[i - 1] == to)
			return true;
		if (i + sizeof(distance) > size)
			continue;
		memcpy(&distance, from + i, sizeof(distance));
		target = (unsigned long)from + i + sizeof(distance) + (long)distance;
		if (to - target > LPE_PADDING)
			continue;
		if (from[i - 1] == 0xe8 || from[i - 1] == 0xe9 ||
		    (from[i - 2] == 0x0f && (from[i - 1] & 0xf0) == 0x80))
			return true;
	}
	return false;
}

static bool __init lpe_is_known(const struct lpe_way *way)
{
	unsigned long from, size, to;
	unsigned int i, k;

	for (i = 0; i < LPE_NAMES && way->from[i]; i++) {
		from = lpe_symbol(way->from[i], &size);
		for (k = 0; from && k < LPE_NAMES && way->to[k]; k++) {
			to = lpe_symbol(way->to[k], NULL);
			if (to && lpe_leads_to((const u8 *)from, size, to))
				return true;
		}
	}
	return false;
}

/* Return 0, or -EOPNOTSUPP after logging each way that is not known. */
int __init lpe_ways_init(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(lpe_ways); i++)
		if (!lpe_is_known(&lpe_ways[i])) {
			pr_err("the border to user space is not known in this kernel: %s\n",
			       lpe_ways[i].what);
			err = -EOPNOTSUPP;
		}
#ifdef CONFIG_X86_FRED
	/* With FRED, stacks do not end in __entry_text: arch/x86/entry/entry_64_fred.S. */
	if (cpu_feature_enabled(X86_FEATURE_FRED)) {
		pr_err("this machine uses FRED, whose entry code this engine does not know\n");
		err = -EOPNOTSUPP;
	}
#endif
	return err;
}
