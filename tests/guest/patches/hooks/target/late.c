// SPDX-License-Identifier: GPL-2.0-only
/* A module that comes and goes. Writing "wait" to /proc/NAME sleeps until "wake" is written. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

static DECLARE_WAIT_QUEUE_HEAD(sleepers);
static int turn;

noinline int late_wait(wait_queue_head_t *sleepers, int *turn);
noinline int late_wait(wait_queue_head_t *sleepers, int *turn)
{
	int now = READ_ONCE(*turn);

	return wait_event_killable(*sleepers, READ_ONCE(*turn) != now);
}

static ssize_t late_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char word[8] = "";
	int err = 0;

	if (copy_from_user(word, buf, min(len, sizeof(word) - 1)))
		return -EFAULT;
	if (!strncmp(word, "wake", 4)) {
		WRITE_ONCE(turn, turn + 1);
		wake_up_all(&sleepers);
	} else {
		err = late_wait(&sleepers, &turn);
	}
	return err < 0 ? err : len;
}

static const struct proc_ops late_ops = {
	.proc_write = late_write,
	.proc_lseek = default_llseek,
};

static int __init late_init(void)
{
	return proc_create(KBUILD_MODNAME, 0600, NULL, &late_ops) ? 0 : -ENOMEM;
}

static void __exit late_exit(void)
{
	remove_proc_entry(KBUILD_MODNAME, NULL);
}

module_init(late_init);
module_exit(late_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A target that comes and goes");
