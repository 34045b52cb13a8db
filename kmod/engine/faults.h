/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lppack_engine: steps that can be left out, so that tests can show that somebody would notice, and
 * places where somebody can be made to dwell, so that tests find him there.
 * Only with LPE_TEST, which no bundle is built with.
 */
#ifndef LPPACK_ENGINE_FAULTS_H
#define LPPACK_ENGINE_FAULTS_H

#include <linux/types.h>

enum lpe_fault {
	LPE_NO_FAULT,
	LPE_NO_STACK_CHECK,	/* every thread is taken for one that has left */
	LPE_NO_BORDER_CHECK,	/* every place in the kernel is taken for the border */
	LPE_NO_UNDO,		/* a transform that fails leaves what it has done */
	LPE_NO_REVERSE,		/* data stays new when the kernel flips back */
	LPE_NO_GATE_CHECK,	/* once the gate is closed, nobody looks who is still inside */
	LPE_NO_WORK_CHECK,	/* a task work is taken for the border, wherever it runs */
	LPE_NO_CALL_CHECK,	/* who is in the ftrace call of an old function counts as outside */
	LPE_NO_MEMORY,		/* turned round, and who has switched before is forgotten */
	LPE_NO_END_CHECK,	/* a stack that the kernel takes for reliable is taken for whole */
	LPE_RUDE_ONLY,		/* entries are used with preemption on, and freed all the same */
	LPE_NO_LAST_CHECK,	/* at the border, though task work is still to be run */
	LPE_NO_OWN_SET_CHECK,	/* it switches itself in the patched set, before other works */
	LPE_NO_BUDGET,		/* the machine is stopped, and gates are closed, at will */
};

enum lpe_point {
	LPE_NOWHERE,
	LPE_IN_CALL,		/* the universe of a call is known, and it has not got there */
	LPE_BEFORE_ENTRY,	/* the route is LPE_BY_THREAD, and the thread was not asked yet */
	LPE_AT_ENTRY,		/* the entry of the thread was found, and was not read yet */
	LPE_IN_WORK,		/* at the border, and not yet in the other universe */
	LPE_AT_FLIP,		/* in the stop: all have left, and the word is not written yet */
	LPE_AT_END,		/* all have switched, and the transition can still turn round */
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
