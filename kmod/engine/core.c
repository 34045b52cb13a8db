// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: moves a kernel to a live patch and back, in each of the consistency modes.
 *
 * One patch is in transition at a time. One worker thread takes its steps, so that a thread that
 * requests a transition does not wait for its end, and may itself be held at the border.
 *
 * Locks, outermost first: lpe_lock; what the callbacks of patches take; the lock of the threads.
 * The worker holds lpe_lock while callbacks run and functions are hooked, never while it waits for
 * threads.
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

/* Protects the list, phases and objects of patches. */
DEFINE_MUTEX(lpe_lock);
LIST_HEAD(lpe_patches);

static struct lpe_patch *lpe_moving;	/* in transition; under lpe_lock */
static struct kthread_worker *lpe_worker;
static DECLARE_WAIT_QUEUE_HEAD(lpe_pauses);

static int lpe_api_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%u\n", LPE_API);
}

/* parse_args() calls it whatever the mode says. */
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

/* The worker waits, without lpe_lock, for so long or until a reversal is requested. */
void lpe_pause(unsigned int ms)
{
	lockdep_assert_not_held(&lpe_lock);
	lockdep_assert(current == lpe_worker->task);
	wait_event_idle_timeout(lpe_pauses, READ_ONCE(lpe_moving->turn), msecs_to_jiffies(ms));
}

static void lpe_move(struct kthread_work *work)
{
	struct lpe_patch *patch = lpe_moving;	/* does not change while there is work */

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
		/* Asked for after the last try, whose answer was that it has begun. */
		patch->turn = false;
		patch->draining = false;
		patch->target = patch->target == LPE_NEW ? LPE_OLD : LPE_NEW;
		patch->phase = patch->target == LPE_NEW ? LPE_PATCHING : LPE_UNPATCHING;
		mutex_unlock(&lpe_lock);
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
		/* May go now; it forgets the patch first, which waits for lpe_lock. */
		module_put(patch->klp->mod);
	}
	lpe_moving = NULL;
	mutex_unlock(&lpe_lock);
	/* The patch may be gone. One that begins now comes after this: there is one worker. */
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
 * Begins to unpatch, or turns a transition round; the answer is whether that has begun. A patch
 * that was unpatched is not enabled again, as in kernel/livepatch.
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
	/* Last: what can be read below /sys is a patch that is there. */
	if (!err)
		err = lpe_sysfs_add(patch, klp->mod->name);
	if (err) {
		lpe_world_finish(patch);
		lpe_end_objects(patch);
		return err;
	}
	/* Until it is unpatched. */
	__module_get(klp->mod);
	list_add_tail_rcu(&patch->list, &lpe_patches);
	lpe_begin(patch, LPE_PATCHING);
	return 0;
}

/**
 * lpe_enable_patch() - Hook a live patch's functions, and begin its transition.
 * @klp: The patch: its functions and callbacks. Stays where it is until lpe_forget_patch().
 * @options: How it is to be moved. What it points to stays as long; it itself does not have to.
 *
 * The transition goes on when this has returned; /sys/kernel/lppack/MODULE shows it. Until it
 * has led back to the old universe a reference keeps the module of the patch. To be called once for
 * each load, from the module's init.
 *
 * Context: May sleep. Takes the engine's mutex, and under it runs the patch's callbacks pre_patch.
 *
 * Return: 0, or an error after which nothing is left of it: -EPROTO if the patch was built for
 * another engine, -EBUSY if another one is in transition, other code redirects one of the functions
 * or ftrace is off, -EAGAIN if BPF programs come and go there, -EINVAL if one cannot be traced or
 * two names are of one function, -EEXIST if one of the same series is there, -ENOENT if a function
 * or symbol is missing, -ENOMEM, or what a callback has returned. -ENODEV if ftrace has turned
 * itself off: if it did so meanwhile the engine stays loaded.
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
 * @klp: As lpe_enable_patch() has got it. With one that the engine does not know it does nothing.
 *
 * To be called from the module's exit, which the engine lets begin only when the module is not in
 * use: the patch is unpatched, and no thread is in it.
 *
 * Context: May sleep. Takes the engine's mutex, and waits for readers of the patch's files.
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
	/* For lpe_place_of_new(), which has preemption off. */
	synchronize_rcu();
	/* Waits for its readers and writers, which may want lpe_lock. */
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
	/* An ordinary thread waits for seconds where many run: those are held meanwhile. */
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
 * No patch module is loaded any more, so no transition is under way and nothing is hooked. No task
 * work is out, as each keeps this module; one may just be about to return to task_work_run().
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
