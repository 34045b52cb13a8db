// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: moves a kernel to a live patch and back, in each of the consistency modes.
 *
 * Only one patch is in transition at a time. A single worker thread runs the transition, so the
 * thread that requests it does not wait for its end, and may itself be held at the border.
 *
 * Lock order, outermost first: lpe_lock; the locks that callbacks of patches take;
 * lpe_threads_lock. The worker holds lpe_lock while callbacks run and functions are unhooked, and
 * never while it waits for threads.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/wait.h>

#include "faults.h"
#include "patch.h"

#define CREATE_TRACE_POINTS
#include "lppack_trace.h"

/*
 * Serialises the worker, writers of sysfs, init and exit of patch modules, and lpe_on_module():
 * protects lpe_patches, and the phase and objects of each patch.
 */
DEFINE_MUTEX(lpe_lock);
LIST_HEAD(lpe_patches);

static struct lpe_patch *lpe_moving;	/* in transition; under lpe_lock */
static struct kthread_worker *lpe_worker;
static DECLARE_WAIT_QUEUE_HEAD(lpe_pauses);

static int lpe_api_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%u\n", LPE_API);
}

/* Called for "insmod lppack_engine.ko api=...": parse_args() ignores that the mode is 0444. */
static int lpe_api_set(const char *val, const struct kernel_param *kp)
{
	return -EPERM;
}

static const struct kernel_param_ops lpe_api_ops = {
	.set = lpe_api_set,
	.get = lpe_api_get,
};
module_param_cb(api, &lpe_api_ops, NULL, 0444);
MODULE_PARM_DESC(api, "what patch modules must have been built for");

/* In the worker, without lpe_lock: wait for ms, or until a reversal is requested. */
void lpe_pause(unsigned int ms)
{
	lockdep_assert_not_held(&lpe_lock);
	lockdep_assert(current == lpe_worker->task);
	wait_event_idle_timeout(lpe_pauses, READ_ONCE(lpe_moving->turn), msecs_to_jiffies(ms));
}

static void lpe_move(struct kthread_work *work)
{
	struct lpe_patch *patch = lpe_moving;	/* only this function clears it */

	mutex_lock(&lpe_lock);
	lpe_budget_begin(patch);
	if (patch->phase == LPE_UNPATCHING)
		lpe_pre_unpatch(patch);
	mutex_unlock(&lpe_lock);

	for (;;) {
		lpe_run(patch);
		lpe_test_point(LPE_AT_END);
		pr_debug("'%s': completing %s transition\n", patch->klp->mod->name,
			 patch->target == LPE_NEW ? "patching" : "unpatching");
		mutex_lock(&lpe_lock);
		if (!patch->turn)
			break;
		/*
		 * A reversal was requested after the last try, with success: so it must take place.
		 */
		patch->turn = false;
		patch->draining = false;
		patch->target = patch->target == LPE_NEW ? LPE_OLD : LPE_NEW;
		patch->phase = patch->target == LPE_NEW ? LPE_PATCHING : LPE_UNPATCHING;
		mutex_unlock(&lpe_lock);
		lpe_tell_turned(patch);
		lpe_threads_end();
	}
	lpe_no_blockers(patch);
	lpe_budget_end(patch);
	lpe_world_finish(patch);
	trace_lppack_end(patch->klp->mod->name, patch->target == LPE_NEW);
	if (patch->target == LPE_NEW) {
		lpe_post_patch(patch);
		WRITE_ONCE(patch->phase, LPE_PATCHED);
		pr_notice("'%s': patching complete\n", patch->klp->mod->name);
	} else {
		lpe_end_objects(patch);
		WRITE_ONCE(patch->phase, LPE_UNPATCHED);
		patch->draining = false;
		pr_notice("'%s': unpatching complete\n", patch->klp->mod->name);
		/*
		 * The module may go now; its exit first calls lpe_forget_patch(), which waits for
		 * lpe_lock.
		 */
		module_put(patch->klp->mod);
	}
	lpe_moving = NULL;
	mutex_unlock(&lpe_lock);
	/*
	 * The patch may be freed by now. There is one worker, so the next transition begins after
	 * this.
	 */
	lpe_threads_end();
}

static DEFINE_KTHREAD_WORK(lpe_work, lpe_move);

static void lpe_begin(struct lpe_patch *patch, enum lpe_phase phase)
{
	lpe_assert_locked();
	patch->turn = false;
	patch->problem.what = NULL;
	patch->target = phase == LPE_PATCHING ? LPE_NEW : LPE_OLD;
	WRITE_ONCE(patch->phase, phase);
	lpe_moving = patch;
	trace_lppack_begin(patch->klp->mod->name, phase == LPE_PATCHING);
	/* Worded as in kernel/livepatch/transition.c, for readers of logs. */
	pr_notice("'%s': starting %s transition\n", patch->klp->mod->name,
		  phase == LPE_PATCHING ? "patching" : "unpatching");
	kthread_queue_work(lpe_worker, &lpe_work);
}

/*
 * Begin to unpatch, or request that the transition under way is reversed. Does not wait for the
 * end: the worker does the rest.
 *
 * Return: 0 if it was begun or requested. -EALREADY if the patch is there already, or on its way;
 * -EINPROGRESS if a reversal is requested already; -EBUSY if another patch is in transition, or all
 * threads are back in the old universe; -EPERM for an unpatched patch, which cannot be enabled
 * again, as in kernel/livepatch; -EINTR if the caller is killed while it waits.
 */
int lpe_set_enabled(struct lpe_patch *patch, bool on)
{
	int err = 0;

	if (mutex_lock_killable(&lpe_lock))
		return -EINTR;
	switch (patch->phase) {
	case LPE_PATCHING:
	case LPE_UNPATCHING:
		if (patch->target == (on ? LPE_NEW : LPE_OLD))
			err = -EALREADY;
		else if (patch->draining && !patch->mode->at_once)
			err = -EBUSY;	/* all threads are in the old universe already */
		else if (patch->turn)
			err = -EINPROGRESS;
		else
			WRITE_ONCE(patch->turn, true);
		break;
	case LPE_PATCHED:
		if (on)
			err = -EALREADY;
		else if (lpe_moving)
			err = -EBUSY;
		else
			lpe_begin(patch, LPE_UNPATCHING);
		break;
	case LPE_UNPATCHED:
		err = on ? -EPERM : -EALREADY;
		break;
	}
	mutex_unlock(&lpe_lock);
	wake_up_all(&lpe_pauses);
	return err;
}

/* Both hold a state of the same id: two versions of one series. */
static bool lpe_are_related(struct klp_patch *one, struct klp_patch *other)
{
	struct klp_state *state;

	for (state = one->states; state && state->id; state++)
		if (klp_get_state(other, state->id))
			return true;
	return false;
}

static int lpe_refuse(struct klp_patch *klp, const struct lpe_options *options)
{
	struct lpe_patch *patch;

	lpe_assert_locked();
	if (!klp || !klp->mod || !klp->objs || !options || options->api != LPE_API ||
	    options->mode >= LPE_MODES ||
	    (options->mode == LPE_REFCOUNT && (!options->counter || !options->counted))) {
		pr_err("%s was built for another engine than this one, which has API %u\n",
		       klp && klp->mod ? klp->mod->name : "a patch", LPE_API);
		return -EPROTO;
	}
	if (lpe_moving) {
		pr_err("%s: %s is in transition\n", klp->mod->name, lpe_moving->klp->mod->name);
		return -EBUSY;
	}
	list_for_each_entry(patch, &lpe_patches, list)
		if (lpe_are_related(klp, patch->klp)) {
			pr_err("%s: %s is of the same series: revert it first\n", klp->mod->name,
			       patch->klp->mod->name);
			return -EEXIST;
		}
	return 0;
}

static int lpe_enable(struct lpe_patch *patch, struct klp_patch *klp,
		      const struct lpe_options *options)
{
	int err;

	lpe_assert_locked();
	err = lpe_begin_objects(patch);
	if (err)
		return err;
	err = lpe_world_begin(patch, options);
	/* Last, so that a patch that appears below /sys/kernel/lppack is set up completely. */
	if (!err)
		err = lpe_sysfs_add(patch, klp->mod->name);
	if (err) {
		lpe_world_finish(patch);
		lpe_end_objects(patch);
		return err;
	}
	/* lpe_move() puts this reference when the patch is unpatched. */
	__module_get(klp->mod);
	list_add_tail_rcu(&patch->list, &lpe_patches);
	lpe_begin(patch, LPE_PATCHING);
	return 0;
}

/**
 * lpe_enable_patch() - Hook a live patch's functions, and begin its transition.
 * @klp: The patch with its functions and callbacks. It must stay valid until lpe_forget_patch().
 * @options: How to run its transitions. What it points to must stay valid as long; the struct
 *	itself need not.
 *
 * Call this once for each load, from the module's init. The transition continues after the return;
 * /sys/kernel/lppack/MODULE shows its state. A reference keeps the patch's module until a
 * transition back to the old universe is complete.
 *
 * Context: May sleep. Takes lpe_lock, and calls the callbacks pre_patch under it; if it fails, also
 * post_unpatch.
 *
 * Return: 0, or an error, after which nothing of the patch is left:
 * -EPROTO: it was built for another engine;
 * -EBUSY: another patch is in transition, an object is still being loaded, other code redirects
 * one of the functions, or ftrace is off;
 * -EAGAIN: BPF trampolines at the functions kept changing;
 * -EINVAL: a function cannot be traced or has no wrapper, two entries name one function, or the
 * transforms do not fit the mode or the objects;
 * -EEXIST: a patch of the same series is loaded;
 * -ENOENT: a function or symbol is missing;
 * -ENODEV: ftrace has turned itself off; if that happened in this call, the memory of the patch
 * and the engine stay until a restart;
 * -ENOMEM, or the error of a callback or a transform.
 */
int lpe_enable_patch(struct klp_patch *klp, const struct lpe_options *options)
{
	struct lpe_patch *patch;
	int err;

	mutex_lock(&lpe_lock);
	err = lpe_refuse(klp, options);
	if (err)
		goto unlock;
	patch = kzalloc(sizeof(*patch), GFP_KERNEL);
	if (!patch) {
		err = -ENOMEM;
		goto unlock;
	}
	err = lpe_make_patch(patch, klp, options);
	if (!err)
		err = lpe_enable(patch, klp, options);
	if (err)
		lpe_free_patch(patch);
unlock:
	mutex_unlock(&lpe_lock);
	return err;
}
EXPORT_SYMBOL_GPL(lpe_enable_patch);

static struct lpe_patch *lpe_patch_of(struct klp_patch *klp)
{
	struct lpe_patch *patch;

	lpe_assert_locked();
	list_for_each_entry(patch, &lpe_patches, list)
		if (patch->klp == klp)
			return patch;
	return NULL;
}

/**
 * lpe_forget_patch() - Forget a patch that is unpatched.
 * @klp: As passed to lpe_enable_patch(). One that the engine does not know is ignored.
 *
 * Call this from the module's exit. The engine's reference keeps the module until the patch is
 * unpatched and no thread is in its code, so the exit cannot begin earlier.
 *
 * Context: May sleep. Takes lpe_lock, and waits for readers and writers of the patch's files in
 * sysfs.
 */
void lpe_forget_patch(struct klp_patch *klp)
{
	struct lpe_patch *patch;

	mutex_lock(&lpe_lock);
	patch = lpe_patch_of(klp);
	if (patch)
		list_del_rcu(&patch->list);
	mutex_unlock(&lpe_lock);
	if (!patch)
		return;
	/*
	 * Pairs with lpe_place_of_new(), which walks lpe_patches with preemption off or in a stop.
	 */
	synchronize_rcu();
	/*
	 * Without lpe_lock, because this waits for users of the files, which may wait for lpe_lock.
	 */
	lpe_sysfs_del(patch);
	lpe_free_patch(patch);
}
EXPORT_SYMBOL_GPL(lpe_forget_patch);

static struct notifier_block lpe_modules = { .notifier_call = lpe_on_module };

static int __init lpe_init(void)
{
	int err;

	err = lpe_support_init();
	if (!err)
		err = lpe_symbols_init();
	if (!err)
		err = lpe_ways_init() ?: lpe_stack_init();
	if (!err)
		err = lpe_threads_init();
	if (!err)
		err = lpe_border_init();
	if (err)
		return err;
	lpe_worker = kthread_create_worker(0, "lppack_engine");
	if (IS_ERR(lpe_worker))
		return PTR_ERR(lpe_worker);
	/*
	 * Under load an ordinary thread may wait for seconds to run, while threads are held at a
	 * gate.
	 */
	sched_set_fifo_low(lpe_worker->task);
	err = lpe_sysfs_init();
	if (err)
		goto worker;
	err = register_module_notifier(&lpe_modules);
	if (!err)
		return 0;
	lpe_sysfs_exit();
worker:
	kthread_destroy_worker(lpe_worker);
	return err;
}

/*
 * Patch modules use symbols of this module, so none is loaded any more: no transition is under way,
 * and nothing is hooked. No task work is queued or running, as each pins this module; but a thread
 * may still be about to return from lpe_at_work(). synchronize_rcu_tasks() waits for it.
 */
static void __exit lpe_exit(void)
{
	unregister_module_notifier(&lpe_modules);
	lpe_sysfs_exit();
	kthread_destroy_worker(lpe_worker);
	synchronize_rcu_tasks();
}

module_init(lpe_init);
module_exit(lpe_exit);

MODULE_LICENSE("GPL v2");
MODULE_AUTHOR("The lppack authors");
MODULE_DESCRIPTION("Consistency engine for live patches");
