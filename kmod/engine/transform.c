// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: TRANSFORM_WORLD, in the stop that switches the kernel: convert all data, or none.
 *
 * In that stop no thread is in a patched function, and none holds a spinlock: so none is in the
 * middle of something that only patched functions do. First all instances are visited, and nothing
 * is changed; then each is converted; then all are visited again, to see that none was missed. If
 * anything fails after the first change, everything is reversed in the same stop: outside of a
 * stop, all data is old, or all is new.
 *
 * The stop is short: the first walk may take half of max_stop_ms, and forward continues only while
 * the rest is enough to reverse everything. A revert begins only if it is expected to fit, because
 * reverse has no limit, and a reversed instance is not converted again.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/nmi.h>

#include "faults.h"
#include "world.h"

#define LPE_CLOCK	32	/* instances between two looks at the clock */
#define LPE_OVERRUNS	3	/* stops over the limit, before the transition is given up */

struct lpe_walk {
	struct lpe_visitor visitor;
	struct lpe_data *data;
	bool is_new;		/* the form of the instances to collect */
	bool check;
	u64 end;		/* ns */
	unsigned long met;
	int err;
};

/* Return the time in ns. Touch the watchdogs, as interrupts are off on every CPU. */
static u64 lpe_now(void)
{
	touch_nmi_watchdog();
	return ktime_get_mono_fast_ns();
}

/* Translate the result of an author's function: -EINTR is ours, for a reversed transition. */
int lpe_answer(int err)
{
	if (err > 0)
		return -EINVAL;
	return err == -EINTR ? -EIO : err;
}

static int lpe_blames(struct lpe_patch *patch, struct lpe_data *data, const char *what, int err)
{
	lpe_tell(patch, data->how->name, what, err);
	return err;
}

/*
 * Return 1 if the data can be visited; 0 if its module is not loaded, and so has none; -EAGAIN
 * while the init or exit function of its module runs, as the data is half set up then.
 */
int lpe_is_there(const struct lpe_data *data)
{
	const struct klp_object *klp = data->obj->klp;
	const struct module *mod = READ_ONCE(klp->mod);

	if (!klp->name)
		return 1;
	if (!mod)
		return 0;
	return mod->state == MODULE_STATE_LIVE ? 1 : -EAGAIN;
}

static int lpe_meet(struct lpe_visitor *visitor, void *obj)
{
	struct lpe_walk *walk = container_of(visitor, struct lpe_walk, visitor);
	struct lpe_data *data = walk->data;

	if (walk->met++ % LPE_CLOCK == 0 && lpe_now() > walk->end) {
		walk->err = -ETIME;
		return walk->err;
	}
	if (data->how->is_new(obj) != walk->is_new) {
		data->others++;
		return 0;
	}
	if (walk->check)
		walk->err = lpe_answer(data->how->check(obj));
	if (walk->err)
		return walk->err;
	if (data->count < data->room)
		data->found[data->count] = obj;
	data->count++;
	return 0;
}

/*
 * Collect the instances that have one form, and count the others; change nothing. -EAGAIN: not now.
 */
static int lpe_find_all(struct lpe_patch *patch, struct lpe_data *data, u32 form, bool check,
			u64 end)
{
	struct lpe_walk walk = {
		.visitor.visit = lpe_meet,
		.data = data,
		.is_new = form == LPE_NEW,
		.check = check && data->how->check,
		.end = end,
	};
	int err = lpe_is_there(data);

	data->count = 0;
	data->others = 0;
	if (err <= 0)
		return err;
	err = lpe_answer(data->how->for_each(&walk.visitor));
	if (!walk.err)
		return err ? lpe_blames(patch, data, "for_each gave up", err) : 0;
	if (walk.err == -ETIME)
		return lpe_blames(patch, data, "max_stop_ms is too short to meet all instances",
				  -ETIME);
	data->wanting = walk.err == -EAGAIN;
	return lpe_blames(patch, data, "check refused an instance", walk.err);
}

/*
 * Visit all instances before anything is changed. The walk may take half of the limit, because it
 * is repeated at the end.
 */
int lpe_look(struct lpe_patch *patch, struct lpe_data *data)
{
	u32 form = patch->world->form;
	int err;

	err = lpe_find_all(patch, data, form, form == LPE_OLD,
			   patch->stop_began + READ_ONCE(patch->world->limit) / 2);
	if (!err && form == LPE_OLD && data->others)
		err = lpe_blames(patch, data, "an instance is in the new form already", -EINVAL);
	return err;
}

static bool lpe_lacks(struct lpe_patch *patch, struct lpe_data *data)
{
	return data->count > data->room ||
	       (patch->target == LPE_NEW && data->how->prepare && !data->prepared &&
		lpe_is_there(data) > 0);
}

static int lpe_look_at_all(struct lpe_patch *patch)
{
	struct lpe_data *data;
	int err;

	lpe_for_each_data(patch->world, data) {
		err = lpe_look(patch, data);
		if (!err && lpe_lacks(patch, data)) {
			data->wanting = true;
			err = -EAGAIN;
		}
		if (err)
			return err;
	}
	return 0;
}

/*
 * Convert the collected instances, while there is time left to undo everything, which takes one
 * more walk.
 */
static int lpe_forward(struct lpe_patch *patch, struct lpe_data *data, u64 began)
{
	u64 end = patch->stop_began + READ_ONCE(patch->world->limit);
	u64 walk = began - patch->stop_began, start = lpe_now(), now;
	unsigned long i;
	int err;

	for (i = 0; i < data->count; i++) {
		if (i % LPE_CLOCK == 0) {
			now = lpe_now();
			if (now + walk + (now - began) > end)
				return lpe_blames(patch, data, "max_stop_ms is too short", -ETIME);
		}
		if (data->how->is_new(data->found[i]))
			continue;	/* was met twice */
		data->changed = true;
		err = lpe_answer(data->how->forward(data->found[i]));
		if (err) {
			data->wanting = err == -EAGAIN;
			return lpe_blames(patch, data, "forward refused an instance", err);
		}
	}
	data->took = lpe_now() - start;
	return 0;
}

static void lpe_reverse(struct lpe_data *data)
{
	unsigned long count = min(data->count, data->room), i;

	for (i = 0; i < count; i++) {
		if (i % LPE_CLOCK == 0)
			touch_nmi_watchdog();
		if (!data->how->is_new(data->found[i]))
			continue;	/* was met twice */
		data->how->reverse(data->found[i]);
	}
	data->changed |= count;
}

/* Reverse all instances in the new form; only the data itself shows which these are. */
static void lpe_undo(struct lpe_patch *patch)
{
	struct lpe_data *data;

	if (lpe_leaves_out(LPE_NO_UNDO))
		return;
	lpe_for_each_data(patch->world, data) {
		if (lpe_find_all(patch, data, LPE_NEW, false, U64_MAX) || data->count > data->room)
			patch->world->broken = true;
		lpe_reverse(data);
		data->how->converted = 0;
	}
}

static int lpe_all_are(struct lpe_patch *patch, u32 form, const char *otherwise)
{
	struct lpe_data *data;
	int err;

	lpe_for_each_data(patch->world, data) {
		err = lpe_find_all(patch, data, form, false, U64_MAX);
		if (!err && data->others)
			err = lpe_blames(patch, data, otherwise, -EINVAL);
		if (err)
			return err;
		data->how->converted = form == LPE_NEW ? data->count : 0;
	}
	return 0;
}

static int lpe_to_new(struct lpe_patch *patch)
{
	u64 began = lpe_now();
	struct lpe_data *data;
	int err = 0;

	lpe_for_each_data(patch->world, data) {
		err = lpe_forward(patch, data, began);
		if (err)
			break;
	}
	if (!err)
		err = lpe_all_are(patch, LPE_NEW, "forward left an instance in the old form");
	if (err)
		lpe_undo(patch);
	return err;
}

/*
 * After the first walk of the revert path: -ETIME if the rest is not expected to fit into the
 * limit. A second walk follows; in between, reverse is taken to need as long for each instance as
 * forward did. There may be more instances now than were converted.
 */
static int lpe_fits(struct lpe_patch *patch)
{
	u64 walk = lpe_now() - patch->stop_began, needs = 2 * walk;
	struct lpe_data *data;

	lpe_for_each_data(patch->world, data) {
		if (data->how->converted)
			needs += div64_u64(data->took * data->count, data->how->converted);
		else
			needs += walk;	/* none was converted, so how long one takes is not known */
		if (needs > READ_ONCE(patch->world->limit))
			return lpe_blames(patch, data,
					  "max_stop_ms is too short to put all instances back",
					  -ETIME);
	}
	return 0;
}

/*
 * Once the first instance is reversed, it cannot fail any more: if the author's reverse leaves an
 * instance in the new form, that is reported, and the functions switch back anyway.
 */
static int lpe_to_old(struct lpe_patch *patch)
{
	struct lpe_data *data;
	int err = lpe_fits(patch);

	if (err || lpe_leaves_out(LPE_NO_REVERSE))
		return err;
	lpe_for_each_data(patch->world, data)
		lpe_reverse(data);
	if (lpe_all_are(patch, LPE_OLD, "reverse left an instance in the new form"))
		patch->world->broken = true;
	return 0;
}

/*
 * In the stop that switches the kernel, when all threads have left: convert all data to the form of
 * the target universe. On an error all data is as before, unless world->broken (-EIO). -EAGAIN: not
 * now, see lpe_world_provide().
 */
int lpe_world_turn(struct lpe_patch *patch)
{
	struct lpe_world *world = patch->world;
	int err;

	lpe_assert_stopped();
	if (!world)
		return 0;
	if (WARN_ON_ONCE(world->form == patch->target))
		return -EALREADY;
	err = lpe_look_at_all(patch);
	if (!err)
		err = patch->target == LPE_NEW ? lpe_to_new(patch) : lpe_to_old(patch);
	if (err == -ETIME && ++world->overruns < LPE_OVERRUNS)
		err = -EAGAIN;	/* something else may have held the machine up */
	if (err)
		return world->broken ? -EIO : err;
	world->form = patch->target;
	if (!world->broken)
		lpe_tell(patch, NULL, NULL, 0);
	patch->stats.transform = lpe_now() - patch->stop_began;
	return 0;
}
