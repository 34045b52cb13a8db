// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asks the kernel whether a function can be live patched, and patches nothing.
 *
 * "symbol" is what klp_enable_patch() says when its pre_patch callback refuses: before that it has
 * found the symbol and its size (kernel/livepatch/core.c v6.1: klp_init_patch(),
 * klp_init_object_loaded(), klp_find_object_symbol()), and it has not looked at ftrace yet
 * (__klp_enable_patch(): klp_pre_patch_callback() stands before klp_patch_object()).
 * -ECANCELED: found.
 *
 * "location" and "hook" do what klp_patch_func() would do next with the address that was found
 * (kernel/livepatch/patch.c v6.1): ftrace_location(), here inside ftrace_set_filter_ip()
 * (kernel/trace/ftrace.c v6.1: __ftrace_match_addr()), and register_ftrace_function() with the
 * flags of livepatch. The handler redirects nothing.
 *
 * Every load ends with an error, so that the next one can follow at once.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>

static char *object = "vmlinux";
module_param(object, charp, 0);
static char *function;
module_param(function, charp, 0);
static ulong sympos;
module_param(sympos, ulong, 0);
static bool hook = true;
module_param(hook, bool, 0);

static void *found;

static void stub(void)
{
	WARN(1, "the probe was called\n");
}

static struct klp_func funcs[] = { { .new_func = stub }, { } };
static struct klp_func none[] = { { } };

static int pre_patch(struct klp_object *obj)
{
	found = obj->funcs[0].old_func;
	return -ECANCELED;
}

/* Callbacks of a module that is not loaded do not run; those of vmlinux always do. */
static int refuse(struct klp_object *obj)
{
	return -ECANCELED;
}

static struct klp_object objs[] = {
	{ .funcs = funcs, .callbacks = { .pre_patch = pre_patch } },
	{ },
	{ }
};

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objs };

static void notrace nothing(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *op,
			    struct ftrace_regs *fregs)
{
}

static struct ftrace_ops ops = {
	.func = nothing,
	.flags = FTRACE_OPS_FL_DYNAMIC | FTRACE_OPS_FL_IPMODIFY
#ifndef CONFIG_HAVE_DYNAMIC_FTRACE_WITH_ARGS
		 | FTRACE_OPS_FL_SAVE_REGS
#endif
};

static int __init probe_init(void)
{
	int symbol, location = -ENODATA, hooked = -ENODATA;

	funcs[0].old_name = function;
	funcs[0].old_sympos = sympos;
	if (strcmp(object, "vmlinux")) {
		objs[0].name = object;
		objs[1].funcs = none;
		objs[1].callbacks.pre_patch = refuse;
	}
	symbol = klp_enable_patch(&patch);
	if (symbol == -ECANCELED && found) {
		location = ftrace_set_filter_ip(&ops, (unsigned long)found, 0, 0);
		if (!location && hook) {
			hooked = register_ftrace_function(&ops);
			if (!hooked)
				unregister_ftrace_function(&ops);
		}
		ftrace_free_filter(&ops);
	}
	pr_info("%s %s %lu: symbol %d location %d hook %d\n", object, function, sympos, symbol,
		location, hooked);
	return -ECANCELED;
}
module_init(probe_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Asks whether a function can be live patched");
MODULE_INFO(livepatch, "Y");
