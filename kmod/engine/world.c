// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: TRANSFORM_WORLD, outside of stops: provide what a stop needs, and clean up.
 *
 * A patch is refused before its transition if counting the instances, in a stop that changes
 * nothing, takes too long, or finds one that cannot be converted.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "world.h"

/*
 * Attempts to count, each in a stop, and ms between them: under load, some thread may be in the
 * patched set.
 */
#define LPE_COUNTS	50
#define LPE_COUNT_STEP	10

static int lpe_make_room(struct lpe_data *data)
{
	/*
	 * There may be more instances in the stop; if the room is too small, that is noticed there.
	 */
	unsigned long wanted = data->count + data->count / 8 + 64;
	void **found;

	if (data->room && data->count <= data->room)
		return 0;
	found = kvmalloc_array(wanted, sizeof(*found), GFP_KERNEL);
	if (!found)
		return -ENOMEM;
	kvfree(data->found);
	data->found = found;
	data->room = wanted;
	return 0;
}

static int lpe_prepare(struct lpe_patch *patch, struct lpe_data *data)
{
	struct module *mod = data->obj->klp->mod;
	int err;

	if (patch->target != LPE_NEW || !data->how->prepare || lpe_is_there(data) <= 0)
		return 0;
	/*
	 * Keep the module while prepare uses its data. If it is going already, the next stop sees
	 * it.
	 */
	if (!try_module_get(mod))
		return 0;
	err = lpe_answer(data->how->prepare());
	module_put(mod);
	if (err)
		lpe_tell(patch, data->how->name, "prepare failed", err);
	else
		data->prepared = true;
	return err;
}

static int lpe_provide(struct lpe_patch *patch)
{
	struct lpe_data *data;
	int err;

	lpe_assert_locked();
	lpe_for_each_data(patch->world, data) {
		if (!data->wanting)
			continue;
		err = lpe_make_room(data);
		if (!err)
			err = lpe_prepare(patch, data);
		if (err)
			return err;
		data->wanting = false;
	}
	return 0;
}

/*
 * In the worker, after a stop that returned -EAGAIN: provide what it lacked. lpe_lock is held
 * against lpe_on_module().
 */
int lpe_world_provide(struct lpe_patch *patch)
{
	int err;

	if (!patch->world)
		return 0;
	mutex_lock(&lpe_lock);
	err = lpe_provide(patch);
	mutex_unlock(&lpe_lock);
	return err;
}

static int lpe_count_all(void *data)
{
	struct lpe_patch *patch = data;
	struct lpe_data *one;
	int err;

	if (!lpe_all_clear(patch))
		return -EAGAIN;
	lpe_for_each_data(patch->world, one) {
		err = lpe_look(patch, one);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Count the instances, and make room for them. If threads are in the patched set at each attempt,
 * leave it to the stop that switches, which counts first in any case.
 */
static int lpe_trial_count(struct lpe_patch *patch)
{
	unsigned int tries = LPE_COUNTS;
	struct lpe_data *data;
	int err;

	for (;;) {
		err = lpe_provide(patch) ?: lpe_stop(lpe_count_all, patch);
		if (err != -EAGAIN || !--tries)
			break;
		msleep(LPE_COUNT_STEP);
	}
	lpe_no_blockers(patch);
	if (err && err != -EAGAIN)
		return err;
	lpe_for_each_data(patch->world, data) {
		err = lpe_make_room(data);
		if (err)
			return err;
	}
	return 0;
}

static int lpe_make_data(struct lpe_patch *patch, struct lpe_data *data, struct lpe_transform *how)
{
	u64 limit = (u64)how->max_stop_ms * NSEC_PER_MSEC;

	data->how = how;
	data->obj = lpe_object_named(patch, how->object);
	data->wanting = true;
	/* One stop converts all types, so the smallest limit holds. */
	patch->world->limit = min(patch->world->limit, limit);
	if (!data->obj) {
		pr_err("%s: transform %s is for %s, which the patch does not have\n",
		       patch->klp->mod->name, how->name, how->object ?: "vmlinux");
		return -EINVAL;
	}
	return 0;
}

/*
 * Call it when the functions are hooked, and all calls still go to the old ones. After an error the
 * caller calls lpe_world_finish().
 */
int lpe_world_begin(struct lpe_patch *patch, const struct lpe_options *options)
{
	unsigned int i, count = options->transform_count;
	int err = 0;

	lpe_assert_locked();
	if (!count)
		return 0;
	if (patch->mode->by_thread || patch->mode->at_once) {
		pr_err("%s: mode %s has no stop that flips, which TRANSFORM_WORLD needs\n",
		       patch->klp->mod->name, patch->mode->name);
		return -EINVAL;
	}
	patch->world = kzalloc(struct_size(patch->world, data, count), GFP_KERNEL);
	if (!patch->world)
		return -ENOMEM;
	patch->world->form = LPE_OLD;
	patch->world->limit = U64_MAX;
	patch->world->count = count;
	for (i = 0; i < count && !err; i++)
		err = lpe_make_data(patch, &patch->world->data[i], &options->transforms[i]);
	if (!err)
		err = lpe_trial_count(patch);
	if (err && patch->problem.what)
		pr_err("%s: transform %s: %s: %d\n", patch->klp->mod->name,
		       patch->problem.transform, patch->problem.what, err);
	return err;
}

/* Call finish of the transforms: the transition is over, or does not begin. */
void lpe_world_finish(struct lpe_patch *patch)
{
	struct lpe_data *data;

	lpe_assert_locked();
	if (!patch->world)
		return;
	lpe_for_each_data(patch->world, data) {
		if (data->how && data->how->finish && (data->prepared || data->changed))
			data->how->finish();
		data->prepared = false;
		data->changed = false;
	}
	patch->world->overruns = 0;
	if (patch->world->broken)
		pr_err("'%s': data is left in both forms: transform %s: %s\n",
		       patch->klp->mod->name, patch->problem.transform, patch->problem.what);
}

/* Nobody uses the patch any more. */
void lpe_world_free(struct lpe_patch *patch)
{
	struct lpe_data *data;

	if (!patch->world)
		return;
	lpe_for_each_data(patch->world, data)
		kvfree(data->found);
	kfree(patch->world);
}
