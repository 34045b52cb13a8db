/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lppack_engine: the data of a patch with TRANSFORM_WORLD.
 *
 * The fields are written in a stop; or with lpe_lock held, by the worker or before there is one.
 */
#ifndef LPPACK_ENGINE_WORLD_H
#define LPPACK_ENGINE_WORLD_H

#include "internal.h"

/* The instances of one transform. */
struct lpe_data {
	struct lpe_transform *how;
	struct lpe_object *obj;
	void **found;		/* those of the last walk, as many as there is room for */
	unsigned long room;
	unsigned long count;	/* of the last walk; may be more than there is room for */
	unsigned long others;	/* instances in the other form */
	u64 took;		/* ns; forward of those that were converted, when it flipped */
	bool prepared;
	bool changed;		/* in a stop; and finish was not called since */
	bool wanting;		/* lacks what is made outside of a stop */
};

struct lpe_world {
	u32 form;		/* LPE_OLD or LPE_NEW: of every instance */
	bool broken;		/* neither: a way back has failed */
	u64 limit;		/* ns, for a whole stop; root may change it at any time */
	unsigned int overruns;	/* stops that would have taken longer */
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
