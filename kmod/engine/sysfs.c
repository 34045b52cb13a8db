// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: /sys/kernel/lppack/MODULE. Reading takes no lock of the engine, so that the state
 * of a patch can be read while one of its callbacks takes long.
 */
#include <linux/kobject.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/sysfs.h>
#include <linux/time64.h>

#include "world.h"

static struct kobject *lpe_root;

static const char * const lpe_phase_names[] = {
	[LPE_PATCHING] = "patching",
	[LPE_PATCHED] = "patched",
	[LPE_UNPATCHING] = "unpatching",
	[LPE_UNPATCHED] = "unpatched",
};

static ssize_t enabled_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(to_patch(kobj)->target) == LPE_NEW);
}

static ssize_t enabled_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			     size_t count)
{
	bool on;
	int err;

	err = kstrtobool(buf, &on);
	if (!err)
		err = lpe_set_enabled(to_patch(kobj), on);
	return err ?: count;
}

static struct kobj_attribute enabled_attr = __ATTR_RW(enabled);

static ssize_t state_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", lpe_phase_names[READ_ONCE(to_patch(kobj)->phase)]);
}

static struct kobj_attribute state_attr = __ATTR_RO(state);

static ssize_t mode_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", to_patch(kobj)->mode->name);
}

static struct kobj_attribute mode_attr = __ATTR_RO(mode);

/* Threads that were in the way of the last try; 0 outside of a transition. */
static ssize_t progress_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(to_patch(kobj)->left));
}

static struct kobj_attribute progress_attr = __ATTR_RO(progress);

static ssize_t deadline_ms_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(to_patch(kobj)->deadline_ms));
}

static ssize_t deadline_ms_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
				 size_t count)
{
	unsigned int ms;
	int err;

	err = kstrtouint(buf, 10, &ms);
	if (err)
		return err;
	WRITE_ONCE(to_patch(kobj)->deadline_ms, ms);
	return count;
}

static struct kobj_attribute deadline_attr = __ATTR_RW(deadline_ms);

static ssize_t signals_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(to_patch(kobj)->signals));
}

static ssize_t signals_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			     size_t count)
{
	bool on;
	int err;

	err = kstrtobool(buf, &on);
	if (err)
		return err;
	WRITE_ONCE(to_patch(kobj)->signals, on);
	return count;
}

static struct kobj_attribute signals_attr = __ATTR_RW(signals);

/* The limit of all transforms. It can be raised: on the revert path there may be more data. */
static ssize_t max_stop_ms_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	u64 limit = READ_ONCE(to_patch(kobj)->world->limit);

	return sysfs_emit(buf, "%llu\n", div_u64(limit, NSEC_PER_MSEC));
}

static ssize_t max_stop_ms_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
				 size_t count)
{
	unsigned int ms;
	int err;

	err = kstrtouint(buf, 10, &ms);
	if (err)
		return err;
	if (!ms)
		return -EINVAL;
	WRITE_ONCE(to_patch(kobj)->world->limit, (u64)ms * NSEC_PER_MSEC);
	return count;
}

static struct kobj_attribute max_stop_ms_attr = __ATTR_RW(max_stop_ms);

static int lpe_read_percent(const char *buf, unsigned int *value)
{
	unsigned int percent;
	int err;

	err = kstrtouint(buf, 10, &percent);
	if (err)
		return err;
	if (percent < 1 || percent > 100)
		return -EINVAL;
	WRITE_ONCE(*value, percent);
	return 0;
}

static ssize_t max_stop_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(to_patch(kobj)->max_stop));
}

static ssize_t max_stop_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			      size_t count)
{
	return lpe_read_percent(buf, &to_patch(kobj)->max_stop) ?: count;
}

static struct kobj_attribute max_stop_attr = __ATTR_RW(max_stop);

static ssize_t max_hold_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(to_patch(kobj)->max_hold));
}

static ssize_t max_hold_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			      size_t count)
{
	return lpe_read_percent(buf, &to_patch(kobj)->max_hold) ?: count;
}

static struct kobj_attribute max_hold_attr = __ATTR_RW(max_hold);

/* A file below statistics/. It is read without a lock, so two files may be of different moments. */
#define LPE_STATISTIC(name, format, value)						\
static ssize_t name##_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf) \
{											\
	const struct lpe_patch *patch = to_patch(kobj);					\
											\
	return sysfs_emit(buf, format "\n", value);					\
}											\
static struct kobj_attribute name##_attr = __ATTR_RO(name)

LPE_STATISTIC(tries, "%lu", READ_ONCE(patch->stats.tries));
LPE_STATISTIC(stops, "%lu", READ_ONCE(patch->stats.stops));
LPE_STATISTIC(longest_stop_ns, "%llu", READ_ONCE(patch->stats.longest_stop));
LPE_STATISTIC(held, "%lu", atomic_long_read(&patch->stats.held));
LPE_STATISTIC(signalled, "%lu", READ_ONCE(patch->stats.signalled));
LPE_STATISTIC(lost, "%lu", READ_ONCE(patch->stats.lost));
LPE_STATISTIC(transform_ns, "%llu", READ_ONCE(patch->stats.transform));
LPE_STATISTIC(moving_ns, "%llu", lpe_moving_time(patch));
LPE_STATISTIC(stopped_ns, "%llu", READ_ONCE(patch->stats.stopped));
LPE_STATISTIC(closed_ns, "%llu", READ_ONCE(patch->stats.closed));

static struct attribute *lpe_statistics[] = {
	&tries_attr.attr,
	&stops_attr.attr,
	&longest_stop_ns_attr.attr,
	&held_attr.attr,
	&signalled_attr.attr,
	&lost_attr.attr,
	&transform_ns_attr.attr,
	&moving_ns_attr.attr,
	&stopped_ns_attr.attr,
	&closed_ns_attr.attr,
	NULL
};

static const struct attribute_group lpe_statistics_group = {
	.name = "statistics",
	.attrs = lpe_statistics,
};

/* Why the last transition was given up, or what it waits for; empty: there is no problem. */
static ssize_t problem_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	const struct lpe_problem *problem = &to_patch(kobj)->problem;
	const char *what = READ_ONCE(problem->what);
	const char *transform = READ_ONCE(problem->transform);

	if (!what)
		return 0;
	if (!transform)
		return sysfs_emit(buf, "%s\n", what);
	return sysfs_emit(buf, "transform %s: %s: %d\n", transform, what, READ_ONCE(problem->err));
}

static struct kobj_attribute problem_attr = __ATTR_RO(problem);

static struct attribute *lpe_attrs[] = {
	&enabled_attr.attr,
	&state_attr.attr,
	&mode_attr.attr,
	&progress_attr.attr,
	&deadline_attr.attr,
	&max_stop_ms_attr.attr,
	&max_stop_attr.attr,
	&max_hold_attr.attr,
	&signals_attr.attr,
	&problem_attr.attr,
	NULL
};

static umode_t lpe_is_visible(struct kobject *kobj, struct attribute *attr, int index)
{
	if (attr == &max_stop_ms_attr.attr && !to_patch(kobj)->world)
		return 0;
	return attr->mode;
}

static const struct attribute_group lpe_group = {
	.is_visible = lpe_is_visible,
	.attrs = lpe_attrs,
	.bin_attrs = lpe_lists,
};

static const struct attribute_group *lpe_groups[] = {
	&lpe_group,
	&lpe_statistics_group,
	NULL
};

static void lpe_release(struct kobject *kobj)
{
	complete(&to_patch(kobj)->released);
}

static struct kobj_type lpe_ktype = {
	.sysfs_ops = &kobj_sysfs_ops,
	.release = lpe_release,
	.default_groups = lpe_groups,
};

int lpe_sysfs_add(struct lpe_patch *patch, const char *name)
{
	int err;

	err = kobject_init_and_add(&patch->kobj, &lpe_ktype, lpe_root, "%s", name);
	if (err) {
		kobject_put(&patch->kobj);
		wait_for_completion(&patch->released);
	}
	return err;
}

void lpe_sysfs_del(struct lpe_patch *patch)
{
	kobject_put(&patch->kobj);
	wait_for_completion(&patch->released);
}

int lpe_sysfs_init(void)
{
	lpe_root = kobject_create_and_add("lppack", kernel_kobj);
	return lpe_root ? 0 : -ENOMEM;
}

void lpe_sysfs_exit(void)
{
	kobject_put(lpe_root);
}
