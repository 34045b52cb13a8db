// SPDX-License-Identifier: GPL-2.0-only
/* Made by lppack for lppack_conn_limit_1: the live patch and its parameters. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/utsname.h>

#include "lp_functions.h"
#include "lp_runtime.h"

static struct klp_patch lp_patch;

static const char lp_info[] =
	"{\"series\":\"conn-limit\",\"version\":1,\"engine\":\"livepatch\",\"mode\":\"hybrid\",\"replaces\":[],\"transforms\":[\"conn\"],\"world\":[],\"fixes\":[{\"cve\":null,\"commit\":null,\"functions\":[\"conn_syn\"],\"effective\":\"converted\"}],\"irreversible\":false,\"inlining\":\"unchecked\",\"complete\":\"not checked\",\"release\":\"6.1.0-56-amd64\",\"kernel\":\"#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)\"}";

/*
 * Serialises start and stop of conversion with the callbacks and the end of this module. Taken by
 * writers of the parameter convert, which hold the kernel_param_lock of this module, and by the
 * callbacks, which hold klp_mutex; its holder takes neither.
 */
static DEFINE_MUTEX(lp_phase_lock);

/* Called by lp_series_do(): the lock of the series is held, and this patch is in charge. */
static int lp_convert_switch(bool on)
{
	if (!on)
		return lp_convert_stop(false);
	lp_convert_start();
	return 0;
}

static int lp_convert_set(const char *val, const struct kernel_param *kp)
{
	bool on;
	int err;

	err = kstrtobool(val, &on);
	if (err)
		return err;
	/*
	 * Writers of parameters come one by one, so only a callback can hold the lock, perhaps for
	 * long: do not wait for it.
	 */
	if (!mutex_trylock(&lp_phase_lock))
		return -EBUSY;
	/* -EBUSY before the transition is complete, and while another version takes over. */
	err = lp_series_do(lp_convert_switch, on);
	mutex_unlock(&lp_phase_lock);
	return err;
}

static int lp_convert_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", lp_convert_is_on());
}

static const struct kernel_param_ops lp_convert_ops = {
	.set = lp_convert_set,
	.get = lp_convert_get,
};
module_param_cb(convert, &lp_convert_ops, NULL, 0644);
MODULE_PARM_DESC(convert, "1: convert what new code touches; 0: stop, and reverse it");

/* Called if insmod is given a read-only parameter: parse_args() ignores the mode 0444. */
static int lp_read_only(const char *val, const struct kernel_param *kp)
{
	return -EPERM;
}

static int lp_converted_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%lu\n", lp_convert_count());
}

static const struct kernel_param_ops lp_converted_ops = {
	.set = lp_read_only,
	.get = lp_converted_get,
};
module_param_cb(converted, &lp_converted_ops, NULL, 0444);
MODULE_PARM_DESC(converted, "instances that are tracked as converted");

static int lp_left_old_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%lu\n", lp_convert_left_old());
}

static const struct kernel_param_ops lp_left_old_ops = {
	.set = lp_read_only,
	.get = lp_left_old_get,
};
module_param_cb(left_old, &lp_left_old_ops, NULL, 0444);
MODULE_PARM_DESC(left_old, "accesses that could not convert: no memory, or forward refused");

static int lp_still_new_get(char *buf, const struct kernel_param *kp)
{
	return lp_convert_still_new(buf);
}

static const struct kernel_param_ops lp_still_new_ops = {
	.set = lp_read_only,
	.get = lp_still_new_get,
};
module_param_cb(still_new, &lp_still_new_ops, NULL, 0444);
MODULE_PARM_DESC(still_new, "instances that reverse has left in the new form, and its name");

static int lp_info_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", lp_info);
}

static const struct kernel_param_ops lp_info_ops = {
	.set = lp_read_only,
	.get = lp_info_get,
};
module_param_cb(info, &lp_info_ops, NULL, 0444);
MODULE_PARM_DESC(info, "what this live patch is, as JSON");

/*
 * All callbacks run with klp_mutex held, or lpe_lock with lppack_engine. Those of vmlinux come
 * first: it is always loaded, and the first object. If this one fails, or that of a later object,
 * lp_init() undoes it with lp_end().
 */
static int lp_pre_patch(struct klp_object *obj)
{
	int err;

	mutex_lock(&lp_phase_lock);
	err = lp_series_take(&lp_patch);
	if (!err)
		err = lp_convert_take(&lp_patch);
	mutex_unlock(&lp_phase_lock);
	return err;
}

/* Every thread has switched. Also runs when an unpatch transition was reversed. */
static void lp_post_patch(struct klp_object *obj)
{
	mutex_lock(&lp_phase_lock);
	lp_series_settle();
	lp_convert_settle();
	mutex_unlock(&lp_phase_lock);
}

/*
 * Every thread still runs new code. lppack has stopped conversion before; this is the second guard,
 * in case enabled was written by hand. Old code must find no new data, so this waits as long as
 * it takes; lppack.h says what must not be done under a transform's lock.
 */
static void lp_pre_unpatch(struct klp_object *obj)
{
	mutex_lock(&lp_phase_lock);
	lp_series_leave();
	lp_convert_stop(true);
	mutex_unlock(&lp_phase_lock);
}

/*
 * By now every thread counts as running old code, or code of the previous version if our transition
 * was reversed. Where the kernel is wrong about that, see lp_unload.c.
 */
static void lp_post_unpatch(struct klp_object *obj)
{
	mutex_lock(&lp_phase_lock);
	lp_series_give_back();
	mutex_unlock(&lp_phase_lock);
}

static struct module *lp_target_conn;	/* NULL: it is not loaded; written in callbacks */

struct module *lp_module_conn(void)
{
	return READ_ONCE(lp_target_conn);
}

/* Runs with the patch, or while conn is being loaded, before its own init. */
static int lp_pre_patch_conn(struct klp_object *obj)
{
	WRITE_ONCE(lp_target_conn, obj->mod);
	mutex_lock(&lp_phase_lock);
	lp_set_target_conn(obj->mod);
	mutex_unlock(&lp_phase_lock);
	return 0;
}

/*
 * On unpatch the callback of vmlinux has run before: nothing is tracked any more, and shadow
 * variables that are still there belong to data that is left in the new form. Otherwise
 * conn itself goes: its exit function has run, so tracked instances may be freed
 * memory. They are dropped without being touched.
 */
static void lp_pre_unpatch_conn(struct klp_object *obj)
{
	mutex_lock(&lp_phase_lock);
	if (obj->mod->state == MODULE_STATE_GOING) {
		lp_drop_conn();
		lp_set_target_conn(NULL);
	}
	mutex_unlock(&lp_phase_lock);
}

/* Also runs if the module goes in the middle of our own transition, without pre_unpatch. */
static void lp_post_unpatch_conn(struct klp_object *obj)
{
	mutex_lock(&lp_phase_lock);
	lp_set_target_conn(NULL);
	mutex_unlock(&lp_phase_lock);
	/* While the module stays, a late thread may still use the pointer: see lp_unload.c. */
	if (obj->mod->state != MODULE_STATE_LIVE)
		WRITE_ONCE(lp_target_conn, NULL);
}

static struct klp_func lp_funcs_vmlinux[] = {
	{ }
};

static struct klp_func lp_funcs_conn[] = {
	{
		.old_name = "conn_free",
		.new_func = lp_conn_free,
		.old_sympos = 0,
	},
	{
		.old_name = "conn_syn",
		.new_func = lp_conn_syn,
		.old_sympos = 0,
	},
	{
		.old_name = "conn_ack",
		.new_func = lp_conn_ack,
		.old_sympos = 0,
	},
	{
		.old_name = "conn_wait",
		.new_func = lp_conn_wait,
		.old_sympos = 0,
	},
	{
		.old_name = "conn_limit_show",
		.new_func = lp_conn_limit_show,
		.old_sympos = 0,
	},
	{ }
};

static struct klp_object lp_objects[] = {
	{
		/*
		 * vmlinux is always loaded, so its callbacks always run. It is the first object, so
		 * they run first.
		 */
		.funcs = lp_funcs_vmlinux,
		.callbacks = {
			.pre_patch = lp_pre_patch,
			.post_patch = lp_post_patch,
			.pre_unpatch = lp_pre_unpatch,
			.post_unpatch = lp_post_unpatch,
		},
	},
	{
		.name = "conn",
		.funcs = lp_funcs_conn,
		.callbacks = {
			.pre_patch = lp_pre_patch_conn,
			.pre_unpatch = lp_pre_unpatch_conn,
			.post_unpatch = lp_post_unpatch_conn,
		},
	},
	{ }
};

/*
 * The kernel refuses to replace this patch by one that lacks one of these states, or has an earlier
 * version of it.
 */
static struct klp_state lp_states[] = {
	{ .id = 14496789484083643169UL, .version = 1U },	/* the series */
	{ .id = 16993646113643452009UL, .version = 1U },	/* transform conn */
	{ .id = 7535874387644714133UL, .version = 1U },	/* shadow variable conn_ext 1 */
	{ }
};

static struct klp_patch lp_patch = {
	.mod = THIS_MODULE,
	.objs = lp_objects,
	.states = lp_states,
};

/* From here on a writer of convert gets -EBUSY. */
static void lp_end(void)
{
	lp_unload_exit();
	mutex_lock(&lp_phase_lock);
	lp_convert_put();
	lp_series_put();
	mutex_unlock(&lp_phase_lock);
}

static int __init lp_init(void)
{
	static const char release[] __initconst =
		"6.1.0-56-amd64";
	static const char version[] __initconst =
		"#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)";
	struct new_utsname *uts = init_utsname();
	int err;

	/*
	 * Several package versions may have the same release, and livepatch symbols have no
	 * checksum.
	 */
	if (strcmp(uts->release, release) || strcmp(uts->version, version)) {
		pr_err("built for %s %s, this is %s %s\n", release, version, uts->release,
		       uts->version);
		return -ENOEXEC;
	}
	err = lp_unload_init();
	if (!err)
		err = klp_enable_patch(&lp_patch);
	if (err)
		lp_end();
	else
		lp_unload_keep();
	return err;
}

/*
 * This module puts its reference to itself only when it is unpatched, or another one has taken its
 * place, and no thread is in it: see lp_unload.c.
 * Work that was deferred may still be under way: a barrier waits for it.
 */
static void __exit lp_exit(void)
{
	lp_end();
}

module_init(lp_init);
module_exit(lp_exit);

MODULE_LICENSE("GPL v2");
MODULE_AUTHOR("The lppack authors");
MODULE_DESCRIPTION("Bound the number of half-open requests of a connection");
MODULE_VERSION("1");
MODULE_INFO(livepatch, "Y");
