/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lppack_engine: what a patch module asks of it.
 *
 * A patch is described with the kernel's own struct klp_patch, of which only the parts that are
 * the author's are used: its callbacks run at the same steps and under one lock of the engine, as
 * they do in kernel/livepatch. The kernel's own engine never sees it.
 */
#ifndef LPPACK_ENGINE_H
#define LPPACK_ENGINE_H

#include <linux/livepatch.h>
#include <linux/types.h>

/* Changes with what stands in this file, and with what the modes promise. */
#define LPE_API		1

enum lpe_mode {
	LPE_NULL_MODEL,		/* LEAVE_FUNCTION SWITCH_FUNCTION */
	LPE_HYBRID,		/* LEAVE_PATCHED_SET SWITCH_THREAD */
	LPE_KPATCH,		/* LEAVE_PATCHED_SET SWITCH_KERNEL, by stacks */
	LPE_KGRAFT,		/* LEAVE_KERNEL SWITCH_THREAD */
	LPE_CHECKPOINT,		/* LEAVE_KERNEL SWITCH_KERNEL */
	LPE_MODES,
};

struct lpe_options {
	u32 api;		/* LPE_API of the header that the patch was built with */
	enum lpe_mode mode;
};

/*
 * Hooks the functions and starts the transition, which ends later: see /sys/kernel/lppack/MODULE.
 * On an error nothing is left of it. To be called once, from the module's init.
 */
int lpe_enable_patch(struct klp_patch *patch, const struct lpe_options *options);

/* From the module's exit: the engine has let it go only when it is not in use any more. */
void lpe_forget_patch(struct klp_patch *patch);

#endif
