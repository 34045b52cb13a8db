/* SPDX-License-Identifier: GPL-2.0-only */
/* lppack_engine: one patch, as core.c handles it. */
#ifndef LPPACK_ENGINE_PATCH_H
#define LPPACK_ENGINE_PATCH_H

#include "internal.h"

/* ms until the engine itself gives a transition up, as no lppack may be running by then. */
#define LPE_DEADLINE	300000

/* Percent of its time in which the machine stands still, and in which a gate is closed. */
#define LPE_MAX_STOP	1
#define LPE_MAX_HOLD	3

struct notifier_block;

int lpe_make_patch(struct lpe_patch *patch, struct klp_patch *klp,
		   const struct lpe_options *options);
void lpe_free_patch(struct lpe_patch *patch);
int lpe_begin_objects(struct lpe_patch *patch);
void lpe_end_objects(struct lpe_patch *patch);
void lpe_post_patch(struct lpe_patch *patch);
void lpe_pre_unpatch(struct lpe_patch *patch);
int lpe_on_module(struct notifier_block *nb, unsigned long action, void *data);

#endif
