/* SPDX-License-Identifier: GPL-2.0-only */
/* lppack_engine: the functions of patch.c, which core.c calls. */
#ifndef LPPACK_ENGINE_PATCH_H
#define LPPACK_ENGINE_PATCH_H

#include "internal.h"

/* ms until the engine itself gives up a transition: the lppack that began it may have died. */
#define LPE_DEADLINE	300000

/* Percent of a transition's time in which the machine may be stopped, and a gate closed. */
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
