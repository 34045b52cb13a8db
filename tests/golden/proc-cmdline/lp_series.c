// SPDX-License-Identifier: GPL-2.0-only
/*
 * Made by lppack for lppack_proc_cmdline_1: what the versions of a series share.
 *
 * While one version takes the place of another, both run side by side. What they share is on the
 * heap, with a reference count, and is handed on in the klp_state of the series: v1's module may go
 * before v2's data does, and a v2 that is reversed leaves v1 as it was.
 *
 * Only the version in charge starts and stops conversion. No version is in charge from the moment
 * when one begins to take over until its transition is complete or was reversed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kref.h>
#include <linux/livepatch.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "lp_runtime.h"

/* The layout of struct lp_series and of struct lp_tracking. Always the first member. */
#define LP_SERIES_ABI	2

struct lp_series {
	u32 abi;
	struct kref ref;	/* one for each module of the series */
	struct mutex lock;	/* protects charge; taken under lp_phase_lock of a module */
	const void *charge;	/* the patch that may convert; read without the lock too */
	struct srcu_struct converting;	/* readers: from reading charge and lp_on to tracking */
};

/* Set in pre_patch, before any replacement runs; kept to the end of the module. */
static struct lp_series *lp_series;
static const void *lp_before;	/* the version that was in charge; under klp_mutex */
static const struct klp_patch *lp_self;

static struct lp_series *lp_series_new(void)
{
	struct lp_series *series = kzalloc(sizeof(*series), GFP_KERNEL);

	if (!series)
		return NULL;
	if (init_srcu_struct(&series->converting)) {
		kfree(series);
		return NULL;
	}
	series->abi = LP_SERIES_ABI;
	kref_init(&series->ref);
	mutex_init(&series->lock);
	return series;
}

static void lp_series_release(struct kref *ref)
{
	struct lp_series *series = container_of(ref, struct lp_series, ref);

	/* cleanup needs the end of a grace period that an interrupted stop has begun */
	synchronize_srcu(&series->converting);
	cleanup_srcu_struct(&series->converting);
	kfree(series);
}

/*
 * In pre_patch of vmlinux, with klp_mutex and lp_phase_lock held. On an error nothing was taken,
 * and the version before is in charge as it was.
 */
int lp_series_take(struct klp_patch *patch)
{
	struct klp_state *before = lp_prev_state(14150238834872935293UL);
	struct klp_state *state = klp_get_state(patch, 14150238834872935293UL);
	struct lp_series *series = before ? before->data : NULL;

	if (before && !patch->replace) {
		pr_err("another version of this series is live: revert it first\n");
		return -EBUSY;
	}
	if (series && series->abi != LP_SERIES_ABI) {
		pr_err("the live version is of another lppack: revert it first\n");
		return -EPROTO;
	}
	if (series) {
		kref_get(&series->ref);
		/*
		 * If the previous version is just stopping conversion, wait for it: that takes a
		 * bounded time.
		 */
		mutex_lock(&series->lock);
		lp_before = series->charge;
		WRITE_ONCE(series->charge, NULL);
		mutex_unlock(&series->lock);
	} else {
		series = lp_series_new();
		if (!series)
			return -ENOMEM;
	}
	state->data = series;
	lp_self = patch;
	lp_series = series;
	return 0;
}

static void lp_series_set_charge(const void *who)
{
	mutex_lock(&lp_series->lock);
	WRITE_ONCE(lp_series->charge, who);
	mutex_unlock(&lp_series->lock);
}

/* The transition is complete: no thread runs the version before any more. */
void lp_series_settle(void)
{
	lp_before = NULL;
	lp_series_set_charge(lp_self);
}

/* Before the unpatch transition begins: no version converts from here on. */
void lp_series_leave(void)
{
	lp_series_set_charge(NULL);
}

/* Unpatched. If our transition was never complete, the previous version is in charge again. */
void lp_series_give_back(void)
{
	if (lp_series && lp_before)
		lp_series_set_charge(lp_before);
	lp_before = NULL;
}

/*
 * Put the series, which nothing uses any more: the module ends, or could not begin. No callback
 * runs after a failed pre_patch, so the previous version is put in charge again here, too.
 */
void lp_series_put(void)
{
	lp_series_give_back();
	if (lp_series)
		kref_put(&lp_series->ref, lp_series_release);
	lp_series = NULL;
}

/*
 * With lp_phase_lock held: run a step of phase 2 under the lock of the series. Return its result,
 * or -EBUSY if this patch is not in charge.
 */
int lp_series_do(int (*step)(bool on), bool on)
{
	int err = -EBUSY;

	if (!lp_series)
		return err;
	mutex_lock(&lp_series->lock);
	if (lp_series->charge == lp_self)
		err = step(on);
	mutex_unlock(&lp_series->lock);
	return err;
}
