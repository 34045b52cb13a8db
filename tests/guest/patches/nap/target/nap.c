// SPDX-License-Identifier: GPL-2.0-only
/* For tests: reading /proc/nap sleeps until somebody writes to /proc/naps, which counts. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "nap.h"

static struct nap nap = {
	.sleepers = __WAIT_QUEUE_HEAD_INITIALIZER(nap.sleepers),
};

static noinline int nap_show(struct seq_file *m, void *v)
{
	return nap_sleep(m->private, 0);
}

static int nap_open(struct inode *inode, struct file *file)
{
	return single_open(file, nap_show, &nap);
}

static const struct proc_ops nap_ops = {
	.proc_open = nap_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static int naps_show(struct seq_file *m, void *v)
{
	seq_printf(m, "old %d new %d\n", atomic_read(&nap.count[0]), atomic_read(&nap.count[1]));
	return 0;
}

static int naps_open(struct inode *inode, struct file *file)
{
	return single_open(file, naps_show, NULL);
}

static ssize_t naps_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	WRITE_ONCE(nap.turn, nap.turn + 1);
	wake_up_all(&nap.sleepers);
	return len;
}

static const struct proc_ops naps_ops = {
	.proc_open = naps_open,
	.proc_read = seq_read,
	.proc_write = naps_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static int __init nap_init(void)
{
	if (!proc_create("nap", 0444, NULL, &nap_ops))
		return -ENOMEM;
	if (!proc_create("naps", 0644, NULL, &naps_ops)) {
		remove_proc_entry("nap", NULL);
		return -ENOMEM;
	}
	return 0;
}

static void __exit nap_exit(void)
{
	remove_proc_entry("naps", NULL);
	remove_proc_entry("nap", NULL);
}

module_init(nap_init);
module_exit(nap_exit);

MODULE_LICENSE("GPL v2");
MODULE_AUTHOR("The lppack authors");
MODULE_DESCRIPTION("A function in which threads sleep, for tests");
