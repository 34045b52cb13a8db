// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: the lists below /sys/kernel/lppack/MODULE. They are binary attributes, because
 * other attributes are truncated at one page without an error, and a function that is missing in
 * the list would be taken for patched.
 */
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "internal.h"

/* A thread's name may have any bytes: replace those that are not printable ASCII. */
static void lpe_clean(char *comm)
{
	for (; *comm; comm++)
		if (*comm < ' ' || *comm > '~')
			*comm = '?';
}

/* The longest line of blockers: two numbers, a symbol and its module, why, a name. */
#define LPE_BLOCKER_LINE	(KSYM_SYMBOL_LEN + 128)

static size_t lpe_list_blockers(struct lpe_blocker *one, unsigned int count, char *text,
				size_t size)
{
	size_t len = 0;

	for (; count--; one++) {
		lpe_clean(one->comm);
		len += scnprintf(text + len, size - len, "%d\t%d\t", one->pid, one->tid);
		/*
		 * An address on a stack is that behind a call: perhaps the next function's start.
		 */
		if (one->function)
			len += scnprintf(text + len, size - len, "%ps",
					 (void *)(one->function - 1));
		else
			len += scnprintf(text + len, size - len, "-");
		len += scnprintf(text + len, size - len, "\t%s\t%s\n", one->reason, one->comm);
	}
	return len;
}

/* Record the current blockers for a reader that begins. */
static int lpe_take_down(struct lpe_patch *patch, const struct file *reader)
{
	struct lpe_listing *listing = &patch->listing;
	struct lpe_blocker *copy;
	unsigned int left;

	if (!listing->text)
		listing->text = kvmalloc(LPE_BLOCKERS * LPE_BLOCKER_LINE, GFP_KERNEL);
	copy = kmalloc_array(LPE_BLOCKERS, sizeof(*copy), GFP_KERNEL);
	if (!listing->text || !copy) {
		kfree(copy);
		return -ENOMEM;
	}
	/* Against the stop that writes them: it cannot begin while preemption is off. */
	preempt_disable();
	left = min_t(unsigned int, READ_ONCE(patch->left), LPE_BLOCKERS);
	memcpy(copy, patch->blockers, left * sizeof(*copy));
	preempt_enable();
	listing->len = lpe_list_blockers(copy, left, listing->text,
					 LPE_BLOCKERS * LPE_BLOCKER_LINE);
	listing->reader = reader;
	kfree(copy);
	return 0;
}

/*
 * A line for each thread: process, thread, function or -, reason, name, separated by tabs. It takes
 * at least two reads, and a try between them may find other threads: so a reader gets the list of
 * its first read, to the end. There is one such list: if another reader begins meanwhile, the first
 * reader gets -ESTALE, and has to begin again.
 */
static ssize_t blockers_read(struct file *file, struct kobject *kobj,
			     LPE_CONST struct bin_attribute *attr, char *buf, loff_t pos,
			     size_t count)
{
	struct lpe_patch *patch = to_patch(kobj);
	struct lpe_listing *listing = &patch->listing;
	ssize_t ret = 0;

	mutex_lock(&listing->lock);
	if (!pos)
		ret = lpe_take_down(patch, file);
	else if (listing->reader != file)
		ret = -ESTALE;
	if (!ret)
		ret = memory_read_from_buffer(buf, count, &pos, listing->text, listing->len);
	mutex_unlock(&listing->lock);
	return ret;
}

/* 0400 as /proc/PID/stack: it shows where in the kernel the threads of all users are. */
static BIN_ATTR(blockers, 0400, blockers_read, NULL, 0);

/* Write the text of the file functions, as far as it fits. Return its whole length. */
static size_t lpe_list_functions(struct lpe_patch *patch, char *text, size_t size)
{
	struct lpe_object *obj;
	struct lpe_func *func;
	size_t len = 0;

	lpe_for_each_object(patch, obj)
		lpe_for_each_func(obj, func)
			len += snprintf(len < size ? text + len : NULL, len < size ? size - len : 0,
					"%s %s %d\n", obj->klp->name ?: "vmlinux",
					func->klp->old_name, READ_ONCE(func->hooked));
	return len;
}

/*
 * A line for each function: object, function, and 1 if it is redirected, or 0 if its module is not
 * loaded. The length of a line never changes, so the file can be read in pieces.
 */
static ssize_t functions_read(struct file *file, struct kobject *kobj,
			      LPE_CONST struct bin_attribute *attr, char *buf, loff_t pos,
			      size_t count)
{
	struct lpe_patch *patch = to_patch(kobj);
	size_t len = lpe_list_functions(patch, NULL, 0);
	ssize_t ret;
	char *text;

	text = kvmalloc(len + 1, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	lpe_list_functions(patch, text, len + 1);
	ret = memory_read_from_buffer(buf, count, &pos, text, len);
	kvfree(text);
	return ret;
}

static BIN_ATTR_RO(functions, 0);

LPE_CONST struct bin_attribute *LPE_CONST lpe_lists[] = {
	&bin_attr_blockers,
	&bin_attr_functions,
	NULL
};
