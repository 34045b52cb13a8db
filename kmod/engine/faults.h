/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lppack_engine: steps that a test can skip, to show that the fault is noticed, and points where a
 * test can delay a thread. Compiled only with LPE_TEST, which is set for no bundle.
 */
#ifndef LPPACK_ENGINE_FAULTS_H
#define LPPACK_ENGINE_FAULTS_H

#include <linux/types.h>

enum lpe_fault {
	LPE_NO_FAULT,
	LPE_NO_STACK_CHECK,	/* every thread counts as having left */
	LPE_NO_BORDER_CHECK,	/* any place in the kernel counts as the border */
	LPE_NO_UNDO,		/* a failed transform is not undone */
	LPE_NO_REVERSE,		/* data stays new when the kernel flips back */
	LPE_NO_GATE_CHECK,	/* at a closed gate, the kernel switches without a check */
	LPE_NO_WORK_CHECK,	/* a task work counts as at the border, wherever it runs */
	LPE_NO_CALL_CHECK,	/* a thread in the fentry call of an old function is outside */
	LPE_NO_MEMORY,		/* a reversal forgets which threads have switched */
	LPE_NO_END_CHECK,	/* a stack that the kernel calls reliable counts as whole */
	LPE_RUDE_ONLY,		/* entries are used with preemption on, and freed too early */
	LPE_NO_LAST_CHECK,	/* a thread is at the border even with task work to run */
	LPE_NO_OWN_SET_CHECK,	/* a thread switches itself without looking for the set, or works */
	LPE_NO_BUDGET,		/* stops and gates have no limit */
};

enum lpe_point {
	LPE_NOWHERE,
	LPE_IN_CALL,		/* a call has its universe, and has not entered the function */
	LPE_BEFORE_ENTRY,	/* the route is LPE_BY_THREAD, the thread is not looked up yet */
	LPE_AT_ENTRY,		/* the entry of the thread was found, but not read yet */
	LPE_IN_WORK,		/* at the border, and not yet in the other universe */
	LPE_AT_FLIP,		/* in the stop: all have left, the route is not written yet */
	LPE_AT_END,		/* all have switched, the transition can still be reversed */
};

#ifdef LPE_TEST
extern unsigned int lpe_fault;

static __always_inline bool lpe_leaves_out(enum lpe_fault step)
{
	return READ_ONCE(lpe_fault) == step;
}

extern unsigned int lpe_point;
void lpe_dwell(void);

static __always_inline void lpe_test_point(enum lpe_point here)
{
	if (READ_ONCE(lpe_point) == here)
		lpe_dwell();
}
#else
static __always_inline bool lpe_leaves_out(enum lpe_fault step)
{
	return false;
}

static __always_inline void lpe_test_point(enum lpe_point here)
{
}
#endif

#endif
