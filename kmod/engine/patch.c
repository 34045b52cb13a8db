// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: set up, begin and end a patch, and follow modules that are loaded and unloaded.
 *
 * Callbacks run at the same steps as in kernel/livepatch/core.c, and with lpe_lock held.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/slab.h>

#include "patch.h"

static const struct lpe_mode_info lpe_modes[LPE_MODES] = {
	[LPE_NULL_MODEL] = { .name = "null-model", .at_once = true },
	[LPE_HYBRID] = { .name = "hybrid", .by_thread = true },
	[LPE_KPATCH] = { .name = "kpatch" },
	[LPE_REFCOUNT] = { .name = "refcount", .counted = true },
	[LPE_KGRAFT] = { .name = "kgraft", .by_thread = true, .leave_kernel = true },
	[LPE_CHECKPOINT] = { .name = "checkpoint", .leave_kernel = true },
};

static bool lpe_is_loaded(struct lpe_object *obj)
{
	return !obj->klp->name || obj->klp->mod;
}

/*
 * Unhook an object, and call its post_unpatch. All calls go to the old functions already, and no
 * thread is in the new ones.
 */
static void lpe_end_object(struct lpe_object *obj)
{
	lpe_assert_locked();
	lpe_unhook(obj);
	if (obj->began && obj->klp->callbacks.post_unpatch)
		obj->klp->callbacks.post_unpatch(obj->klp);
	obj->began = false;
}

/*
 * Resolve the symbols of a loaded object and hook its functions, as klp_init_object_loaded() and
 * klp_patch_object() do. On an error all of it is undone, unless the patch is kept: see lpe_keep().
 */
static int lpe_begin_object(struct lpe_object *obj)
{
	struct klp_callbacks *callbacks = &obj->klp->callbacks;
	int err;

	lpe_assert_locked();
	err = lpe_find_symbols(obj);
	if (!err && callbacks->pre_patch)
		err = callbacks->pre_patch(obj->klp);
	if (err)
		return err;
	obj->began = true;
	err = lpe_hook(obj);
	if (err)
		lpe_end_object(obj);
	return err;
}

void lpe_post_patch(struct lpe_patch *patch)
{
	struct lpe_object *obj;

	lpe_assert_locked();
	lpe_for_each_object(patch, obj)
		if (obj->began && obj->klp->callbacks.post_patch)
			obj->klp->callbacks.post_patch(obj->klp);
}

void lpe_pre_unpatch(struct lpe_patch *patch)
{
	struct lpe_object *obj;

	lpe_assert_locked();
	lpe_for_each_object(patch, obj)
		if (obj->began && obj->klp->callbacks.pre_unpatch)
			obj->klp->callbacks.pre_unpatch(obj->klp);
}

void lpe_end_objects(struct lpe_patch *patch)
{
	struct lpe_object *obj;

	lpe_assert_locked();
	lpe_for_each_object(patch, obj)
		lpe_end_object(obj);
}

/*
 * Begin all objects that are loaded. On an error all of them are ended, unless the patch is kept.
 */
int lpe_begin_objects(struct lpe_patch *patch)
{
	struct lpe_object *obj;
	int err = 0;

	lpe_assert_locked();
	lpe_for_each_object(patch, obj) {
		if (obj->klp->name)
			err = lpe_find_module(obj->klp->name, &obj->klp->mod);
		if (!err && lpe_is_loaded(obj))
			err = lpe_begin_object(obj);
		if (err) {
			lpe_end_objects(patch);
			return err;
		}
	}
	return 0;
}

static int lpe_make_object(struct lpe_patch *patch, struct lpe_object *obj, struct klp_object *klp)
{
	struct klp_func *func;
	unsigned int i;

	obj->klp = klp;
	obj->patch = patch;
	klp->mod = NULL;
	for (func = klp->funcs; func->old_name || func->new_func || func->old_sympos; func++)
		obj->count++;
	if (!obj->count)
		return 0;
	obj->funcs = kcalloc(obj->count, sizeof(*obj->funcs), GFP_KERNEL);
	obj->spans = kcalloc(obj->count, LPE_SPANS * sizeof(*obj->spans), GFP_KERNEL);
	obj->hook = lpe_hook_alloc(obj);
	if (!obj->funcs || !obj->spans || !obj->hook) {
		obj->count = 0;
		return -ENOMEM;
	}
	for (i = 0; i < obj->count; i++) {
		obj->funcs[i].klp = &klp->funcs[i];
		obj->funcs[i].route = patch->mode->at_once ? &obj->funcs[i].own : &patch->route;
	}
	return 0;
}

static int lpe_find_wrappers(struct lpe_object *obj, const struct lpe_options *options)
{
	const struct lpe_counted *counted;
	struct lpe_func *func;

	lpe_for_each_func(obj, func) {
		for (counted = options->counted; counted->new; counted++)
			if (counted->new == func->klp->new_func)
				break;
		if (!counted->new) {
			pr_err("%s: %s has no wrapper that counts\n", obj->patch->klp->mod->name,
			       func->klp->old_name);
			return -EINVAL;
		}
		func->counted = counted;
		func->wrapper = (unsigned long)counted->wrapper;
	}
	return 0;
}

void lpe_free_patch(struct lpe_patch *patch)
{
	struct lpe_object *obj;

	if (patch->kept)
		return;
	lpe_world_free(patch);
	lpe_for_each_object(patch, obj) {
		kfree(obj->funcs);
		kfree(obj->spans);
		kfree(obj->hook);
	}
	kvfree(patch->listing.text);
	kfree(patch->objects);
	kfree(patch);
}

/*
 * Fill in a patch: all is in the old universe, and nothing is hooked yet. After an error the caller
 * calls lpe_free_patch().
 */
int lpe_make_patch(struct lpe_patch *patch, struct klp_patch *klp,
		   const struct lpe_options *options)
{
	struct klp_object *obj;
	unsigned int i;
	int err;

	patch->klp = klp;
	patch->mode = &lpe_modes[options->mode];
	patch->symbols = options->symbols;
	patch->counter = patch->mode->counted ? options->counter : NULL;
	patch->route = LPE_OLD;
	patch->target = LPE_NEW;
	patch->phase = LPE_PATCHING;
	patch->signals = true;
	patch->max_stop = LPE_MAX_STOP;
	patch->max_hold = LPE_MAX_HOLD;
	patch->deadline_ms = LPE_DEADLINE;
	init_completion(&patch->released);
	mutex_init(&patch->listing.lock);
	INIT_LIST_HEAD(&patch->list);
	for (obj = klp->objs; obj->funcs || obj->name; obj++)
		patch->count++;
	patch->objects = kcalloc(patch->count, sizeof(*patch->objects), GFP_KERNEL);
	if (!patch->objects) {
		patch->count = 0;
		return -ENOMEM;
	}
	for (i = 0; i < patch->count; i++) {
		err = lpe_make_object(patch, &patch->objects[i], &klp->objs[i]);
		if (!err && patch->mode->counted)
			err = lpe_find_wrappers(&patch->objects[i], options);
		if (err)
			return err;
	}
	return lpe_find_exit_lists(patch, options);
}

static bool lpe_is_live(struct lpe_patch *patch)
{
	return patch->phase != LPE_UNPATCHED;
}

/*
 * A module of the patch is being loaded. No thread can be in its functions yet, so these begin in
 * the universe that the patch is in, or moves to.
 */
static int lpe_come(struct lpe_patch *patch, struct lpe_object *obj, struct module *mod)
{
	struct lpe_func *func;
	int err;

	obj->klp->mod = mod;
	lpe_for_each_func(obj, func)
		func->own = patch->target;
	err = lpe_begin_object(obj);
	if (err) {
		pr_err("%s cannot patch %s, which is not loaded: %d\n", patch->klp->mod->name,
		       mod->name, err);
		obj->klp->mod = NULL;
		return err;
	}
	if (patch->phase == LPE_PATCHED && obj->klp->callbacks.post_patch)
		obj->klp->callbacks.post_patch(obj->klp);
	return 0;
}

/* A module goes: its exit function has run, or its init has failed, and no thread is in it. */
static void lpe_go(struct lpe_patch *patch, struct lpe_object *obj)
{
	/* Not in a transition of the patch, as in klp_cleanup_module_patches_limited(). */
	if (obj->began && patch->phase == LPE_PATCHED && obj->klp->callbacks.pre_unpatch)
		obj->klp->callbacks.pre_unpatch(obj->klp);
	lpe_end_object(obj);
	obj->klp->mod = NULL;
}

/* Return the object of that name (NULL: vmlinux), or NULL if the patch has none. */
struct lpe_object *lpe_object_named(struct lpe_patch *patch, const char *name)
{
	struct lpe_object *obj;

	lpe_for_each_object(patch, obj)
		if (name ? obj->klp->name && !strcmp(obj->klp->name, name) : !obj->klp->name)
			return obj;
	return NULL;
}

/*
 * Set what the file problem shows. It is read without a lock, so a reader may get a mixture of two
 * problems.
 */
void lpe_tell(struct lpe_patch *patch, const char *transform, const char *what, int err)
{
	WRITE_ONCE(patch->problem.transform, transform);
	WRITE_ONCE(patch->problem.err, err);
	WRITE_ONCE(patch->problem.what, what);
}

int lpe_on_module(struct notifier_block *nb, unsigned long action, void *data)
{
	struct module *mod = data;
	struct lpe_patch *patch;
	struct lpe_object *obj;
	int err = 0;

	if (action != MODULE_STATE_COMING && action != MODULE_STATE_GOING)
		return NOTIFY_DONE;
	mutex_lock(&lpe_lock);
	list_for_each_entry(patch, &lpe_patches, list) {
		obj = lpe_is_live(patch) ? lpe_object_named(patch, mod->name) : NULL;
		if (!obj)
			continue;
		/* A patch that was enabled a moment ago has seen it already. */
		if (action == MODULE_STATE_COMING && !obj->klp->mod)
			err = lpe_come(patch, obj, mod);
		else if (action == MODULE_STATE_GOING && obj->klp->mod == mod)
			lpe_go(patch, obj);
		if (err)
			break;
	}
	if (err)
		list_for_each_entry_continue_reverse(patch, &lpe_patches, list) {
			obj = lpe_is_live(patch) ? lpe_object_named(patch, mod->name) : NULL;
			if (obj && obj->klp->mod == mod)
				lpe_go(patch, obj);
		}
	mutex_unlock(&lpe_lock);
	return notifier_from_errno(err);
}
