// SPDX-License-Identifier: GPL-2.0-only
/* For tests: threads that call two functions, which belong together, as often as they can. */
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "caught.h"

#define THREADS	8

noinline bool caught_inner(struct caught *caught)
{
	return false;
}

static struct caught caught = {
	.inner = caught_inner,
	.keep = __WAIT_QUEUE_HEAD_INITIALIZER(caught.keep),
};

static struct task_struct *threads[THREADS];

noinline bool caught_outer(struct caught *caught)
{
	return caught->inner(caught);
}

/* No cond_resched(): that is where 6.12 takes a busy thread to the other universe. */
static int caught_loop(void *data)
{
	unsigned long calls = 0;

	while (!kthread_should_stop()) {
		caught_outer(data);
		if (++calls % 100000 == 0)
			schedule_timeout_interruptible(1);
	}
	return 0;
}

static int caught_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%d\n", atomic_read(&caught.inside));
	return 0;
}

static int caught_open(struct inode *inode, struct file *file)
{
	return single_open(file, caught_show, NULL);
}

/* keep, or release */
static ssize_t caught_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char word;

	if (!len || get_user(word, buf))
		return -EFAULT;
	WRITE_ONCE(caught.keeps, word == 'k');
	wake_up_all(&caught.keep);
	return len;
}

static const struct proc_ops caught_ops = {
	.proc_open = caught_open,
	.proc_read = seq_read,
	.proc_write = caught_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static void caught_stop(void)
{
	unsigned int i;

	for (i = 0; i < THREADS && threads[i]; i++)
		kthread_stop(threads[i]);
}

static int __init caught_init(void)
{
	struct task_struct *thread;
	unsigned int i;

	if (!proc_create("caught", 0644, NULL, &caught_ops))
		return -ENOMEM;
	for (i = 0; i < THREADS; i++) {
		thread = kthread_run(caught_loop, &caught, "caught/%u", i);
		if (IS_ERR(thread)) {
			caught_stop();
			remove_proc_entry("caught", NULL);
			return PTR_ERR(thread);
		}
		threads[i] = thread;
	}
	return 0;
}

static void __exit caught_exit(void)
{
	caught_stop();
	remove_proc_entry("caught", NULL);
}

module_init(caught_init);
module_exit(caught_exit);

MODULE_LICENSE("GPL v2");
MODULE_AUTHOR("The lppack authors");
MODULE_DESCRIPTION("Threads in two functions that belong together, for tests");
