/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lppack_engine: the data of a patch with TRANSFORM_WORLD.
 *
 * Fields are written in a stop; or with lpe_lock held, by the worker or in lpe_enable_patch().
 */
#ifndef LPPACK_ENGINE_WORLD_H
#define LPPACK_ENGINE_WORLD_H

#include "internal.h"

/* The instances of one transform. */
struct lpe_data {
	struct lpe_transform *how;
	struct lpe_object *obj;
	void **found;		/* instances of the last walk, up to room */
	unsigned long room;
	unsigned long count;	/* instances of the last walk; may exceed room */
	unsigned long others;	/* instances in the other form */
	u64 took;		/* ns that forward took for all, when the kernel switched */
	bool prepared;
	bool changed;		/* forward or reverse has run since finish was called */
	bool wanting;		/* needs room, or prepare, before the next stop */
};

struct lpe_world {
	u32 form;		/* LPE_OLD or LPE_NEW: of every instance */
	bool broken;		/* instances of both forms are left: reversing has failed */
	u64 limit;		/* ns, for a whole stop; root may change it at any time */
	unsigned int overruns;	/* tries of this transition that exceeded limit */
	unsigned int count;
	struct lpe_data data[];
};

#define lpe_for_each_data(world, one) \
	for (one = (world)->data; one < (world)->data + (world)->count; one++)

/* transform.c */
int lpe_answer(int err);
int lpe_is_there(const struct lpe_data *data);
int lpe_look(struct lpe_patch *patch, struct lpe_data *data);

#endif
