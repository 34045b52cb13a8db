/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lppack_engine: steps that can be left out, so that tests can show that somebody would notice.
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
};

#ifdef LPE_TEST
extern unsigned int lpe_fault;

static inline bool lpe_leaves_out(enum lpe_fault step)
{
	return READ_ONCE(lpe_fault) == step;
}
#else
static inline bool lpe_leaves_out(enum lpe_fault step)
{
	return false;
}
#endif

#endif
