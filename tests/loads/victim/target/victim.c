// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module whose functions are always in use. A read of /proc/victim_call at offset MS calls
 * victim_outer() twice; each calls victim_inner(), sleeps MS milliseconds, and calls it again. What
 * is read tells which universes it saw: 1 the old one, 2 the new one, 3 both; and 4 more where that
 * was not in a system call, but in what is done on the way out of the kernel. /dev/victim is the
 * same, and io_uring does not leave it to a worker where it was opened with O_NONBLOCK.
 * /proc/victim tells what was counted. Written to it: "clear", "old" (cells back to the old form),
 * "kthreads N" (N kernel threads that call without a pause) and "mixed" (a system call with several
 * reads saw both universes).
 *
 * A close of /dev/victim_close makes four visits: one in flush, so within the system call, one in
 * release, which drops the last reference to a second file, and two in task work on the way out of
 * it: in the release of that one, which does the same with a third, and in that of the third.
 * (Before 6.6 the first release is task work as well.)
 *
 * A read of /dev/victim_blocked waits for "finish", and then until its thread has a task work to
 * run on its way out; its release waits for "release".
 *
 * Who writes "watch" and then never sleeps is looked at every few milliseconds: "watched" says how
 * often, "stood" how often it slept all the same, which is somebody else's doing.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/ptrace.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/task_work.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "victim.h"

#define CELLS		8
#define KTHREADS	8
#define MS_MAX		600000	/* only a fatal signal ends a sleep of that length */
#define MS_PIECES	599999	/* nor one of that, which is made of short ones */
#define BOTH		(BIT(VICTIM_OLD_CODE) | BIT(VICTIM_NEW_CODE))

static struct victim_cell cells[CELLS];
static atomic_t in_flight;	/* visits */
static atomic_t running[2];	/* visits whose victim_outer() is of that universe */

static atomic_t visits[2];	/* that ended, and saw that universe alone */
static atomic_t mixed;		/* visits that saw both */
static atomic_t mixed_calls;	/* system calls that saw both */
static atomic_t mixed_works;	/* runs of task_work_run() that did */
static atomic_t together;	/* visits that began while one of the other universe ran */
static atomic_t wrong;		/* cells of the new form that old code met */
static atomic_t interrupted;	/* sleeps that ended early, by a signal */

static void look_at_bystander(struct work_struct *work);

static DEFINE_MUTEX(bystander_lock);	/* protects the next one */
static struct task_struct *bystander;	/* NULL: there is none */
static DECLARE_DELAYED_WORK(bystander_work, look_at_bystander);
static atomic_t watched, stood;		/* looks at it; those that found it asleep */

static DEFINE_MUTEX(kthread_lock);	/* protects the next two */
static struct task_struct *kthreads[KTHREADS];
static unsigned int kthread_count;

static void enter(struct victim_visit *v, enum victim_universe u)
{
	/* Fully ordered, so that of two visits that begin together one sees the other. */
	atomic_inc_return(&running[u]);
	if (atomic_read(&running[!u]))
		atomic_inc(&together);
	v->seen |= BIT(u);
}

static void leave(struct victim_visit *v, enum victim_universe u)
{
	v->seen |= BIT(u);
	atomic_dec(&running[u]);
}

static void seen(struct victim_visit *v, enum victim_universe u)
{
	v->seen |= BIT(u);
}

static void nap(unsigned int ms)
{
	if (!ms)
		cond_resched();
	else if (ms == MS_MAX)
		schedule_timeout_killable(msecs_to_jiffies(ms));
	else if (ms == MS_PIECES)
		while (!fatal_signal_pending(current))
			schedule_timeout_killable(msecs_to_jiffies(50));
	else if (schedule_timeout_interruptible(msecs_to_jiffies(ms)) && signal_pending(current))
		atomic_inc(&interrupted);
}

static void sleep(struct victim_visit *v)
{
	nap(v->ms);
}

noinline void victim_inner(struct victim_visit *v)
{
	v->ops->seen(v, VICTIM_OLD_CODE);
	spin_lock(&v->cell->lock);
	if (v->cell->word & VICTIM_NEW)
		atomic_inc(&wrong);
	v->cell->word++;
	spin_unlock(&v->cell->lock);
}

static const struct victim_ops ops = {
	.inner = victim_inner,
	.enter = enter,
	.leave = leave,
	.seen = seen,
	.sleep = sleep,
};

/* What old code does with data after a while. */
static void look(struct victim_visit *v)
{
	spin_lock(&v->cell->lock);
	if (v->cell->word & VICTIM_NEW)
		atomic_inc(&wrong);
	spin_unlock(&v->cell->lock);
}

noinline void victim_outer(struct victim_visit *v)
{
	v->ops->enter(v, VICTIM_OLD_CODE);
	victim_inner(v);
	v->ops->sleep(v);
	look(v);
	victim_inner(v);
	v->ops->leave(v, VICTIM_OLD_CODE);
}

static unsigned int visit(unsigned int ms)
{
	struct victim_visit v = {
		.ops = &ops,
		.cell = &cells[current->pid % CELLS],
		.ms = ms,
	};

	atomic_inc(&in_flight);
	victim_outer(&v);
	atomic_dec(&in_flight);
	if (v.seen == BOTH)
		atomic_inc(&mixed);
	else
		atomic_inc(&visits[v.seen == BIT(VICTIM_NEW_CODE)]);
	return v.seen;
}

static unsigned int call(unsigned int ms)
{
	unsigned int seen = visit(ms);

	nap(ms / 4);	/* in no patched function, and in the kernel */
	seen |= visit(ms);
	/* Threads that never return to user space have no border to cross. */
	if (seen == BOTH && !(current->flags & (PF_KTHREAD | PF_IO_WORKER)))
		atomic_inc(&mixed_calls);
	return seen;
}

static ssize_t victim_read(struct file *file, char __user *buf, size_t size, loff_t *ppos)
{
	unsigned int seen;

	if (!size || *ppos < 0 || *ppos > MS_MAX)
		return -EINVAL;
	seen = call(*ppos);
	/* arch/x86/entry/entry_64.S: before there is a result */
	if ((long)task_pt_regs(current)->ax != -ENOSYS)
		seen += 4;
	return put_user('0' + seen, buf) ?: 1;
}

static const struct proc_ops call_ops = {
	.proc_read = victim_read,
	.proc_lseek = default_llseek,
};

static const struct file_operations device_ops = {
	.owner = THIS_MODULE,
	.read = victim_read,
	.llseek = default_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "victim",
	.fops = &device_ops,
};

/* What one close() has seen so far. */
struct victim_close {
	unsigned int in_call;
	unsigned int in_works;	/* in one run of task_work_run() */
	struct file *second;
	struct file *third;
};

static int third_release(struct inode *inode, struct file *file)
{
	struct victim_close *seen = file->private_data;

	seen->in_works |= visit(0);
	if (seen->in_works == BOTH)
		atomic_inc(&mixed_works);
	if ((seen->in_call | seen->in_works) == BOTH)
		atomic_inc(&mixed_calls);
	kfree(seen);
	return 0;
}

static const struct file_operations third_ops = {
	.owner = THIS_MODULE,
	.release = third_release,
};

static int second_release(struct inode *inode, struct file *file)
{
	struct victim_close *seen = file->private_data;

	if (!seen->third) {	/* open has failed */
		kfree(seen);
		return 0;
	}
	/* Before the visit: while it sleeps other works may be queued behind this one. */
	fput(seen->third);
	seen->in_works |= visit(1);
	return 0;
}

static const struct file_operations second_ops = {
	.owner = THIS_MODULE,
	.release = second_release,
};

static int close_open(struct inode *inode, struct file *file)
{
	struct victim_close *seen = kzalloc(sizeof(*seen), GFP_KERNEL);
	struct file *third;
	int err;

	if (!seen)
		return -ENOMEM;
	seen->second = anon_inode_getfile("victim", &second_ops, seen, O_RDONLY);
	if (IS_ERR(seen->second)) {
		err = PTR_ERR(seen->second);
		kfree(seen);
		return err;
	}
	third = anon_inode_getfile("victim", &third_ops, seen, O_RDONLY);
	if (IS_ERR(third)) {
		fput(seen->second);
		return PTR_ERR(third);
	}
	seen->third = third;
	file->private_data = seen;
	return 0;
}

static int close_flush(struct file *file, fl_owner_t id)
{
	struct victim_close *seen = file->private_data;

	seen->in_call |= visit(1);
	return 0;
}

static int close_release(struct inode *inode, struct file *file)
{
	struct victim_close *seen = file->private_data;

	fput(seen->second);
	seen->in_call |= visit(1);
	return 0;
}

static const struct file_operations close_ops = {
	.owner = THIS_MODULE,
	.open = close_open,
	.flush = close_flush,
	.release = close_release,
};

static struct miscdevice close_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "victim_close",
	.fops = &close_ops,
};

static DECLARE_WAIT_QUEUE_HEAD(blocked);
static bool may_finish, may_release;
static atomic_t reading, releasing;	/* threads that wait */

static ssize_t blocked_read(struct file *file, char __user *buf, size_t size, loff_t *ppos)
{
	atomic_inc(&reading);
	while (!fatal_signal_pending(current) && !READ_ONCE(may_release) &&
	       !(READ_ONCE(may_finish) && task_work_pending(current)))
		schedule_timeout_killable(msecs_to_jiffies(5));
	atomic_dec(&reading);
	return 0;
}

static int blocked_release(struct inode *inode, struct file *file)
{
	int err;

	atomic_inc(&releasing);
	err = wait_event_killable(blocked, READ_ONCE(may_release));
	atomic_dec(&releasing);
	return err;
}

static const struct file_operations blocked_ops = {
	.owner = THIS_MODULE,
	.read = blocked_read,
	.release = blocked_release,
};

static struct miscdevice blocked_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "victim_blocked",
	.fops = &blocked_ops,
};

static void block(bool finish, bool release)
{
	WRITE_ONCE(may_finish, finish);
	WRITE_ONCE(may_release, release);
	wake_up_all(&blocked);
}

static int victim_thread(void *unused)
{
	while (!kthread_should_stop()) {
		call(0);
		/* It never sleeps: synchronize_rcu_tasks() of ftrace would wait for ever. */
		cond_resched_tasks_rcu_qs();
	}
	return 0;
}

static int set_kthreads(unsigned int count)
{
	struct task_struct *task;
	int ret = 0;

	if (count > KTHREADS)
		return -EINVAL;
	mutex_lock(&kthread_lock);
	while (kthread_count > count)
		kthread_stop(kthreads[--kthread_count]);
	while (kthread_count < count) {
		task = kthread_run(victim_thread, NULL, "victim/%u", kthread_count);
		if (IS_ERR(task)) {
			ret = PTR_ERR(task);
			break;
		}
		kthreads[kthread_count++] = task;
	}
	mutex_unlock(&kthread_lock);
	return ret;
}

/* With bystander_lock held. */
static void watch(struct task_struct *task)
{
	if (bystander)
		put_task_struct(bystander);
	bystander = task;
	if (task)
		schedule_delayed_work(&bystander_work, msecs_to_jiffies(10));
}

/* By a kernel thread: whoever holds user threads does not hold it. */
static void look_at_bystander(struct work_struct *work)
{
	mutex_lock(&bystander_lock);
	if (bystander && bystander->flags & PF_EXITING)
		watch(NULL);
	if (bystander) {
		atomic_inc(&watched);
		if (!task_is_running(bystander))
			atomic_inc(&stood);
		schedule_delayed_work(&bystander_work, msecs_to_jiffies(10));
	}
	mutex_unlock(&bystander_lock);
}

static void watch_current(void)
{
	mutex_lock(&bystander_lock);
	watch(get_task_struct(current));
	mutex_unlock(&bystander_lock);
}

static void watch_nobody(void)
{
	mutex_lock(&bystander_lock);
	watch(NULL);
	mutex_unlock(&bystander_lock);
	cancel_delayed_work_sync(&bystander_work);
}

static void clear(void)
{
	atomic_t *counts[] = {
		&visits[VICTIM_OLD_CODE], &visits[VICTIM_NEW_CODE], &mixed, &mixed_calls,
		&mixed_works, &together, &wrong, &interrupted, &watched, &stood,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(counts); i++)
		atomic_set(counts[i], 0);
}

static unsigned int new_cells(bool put_back)
{
	unsigned int i, count = 0;

	for (i = 0; i < CELLS; i++) {
		spin_lock(&cells[i].lock);
		count += !!(cells[i].word & VICTIM_NEW);
		if (put_back)
			cells[i].word &= ~VICTIM_NEW;
		spin_unlock(&cells[i].lock);
	}
	return count;
}

static ssize_t victim_write(struct file *file, const char __user *buf, size_t size, loff_t *ppos)
{
	unsigned int count;
	char text[32] = "";
	int ret = 0;

	if (size >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, size))
		return -EFAULT;
	if (sscanf(text, "kthreads %u", &count) == 1)
		ret = set_kthreads(count);
	else if (sysfs_streq(text, "clear"))
		clear();
	else if (sysfs_streq(text, "old"))
		new_cells(true);
	else if (sysfs_streq(text, "block"))
		block(false, false);
	else if (sysfs_streq(text, "finish"))
		block(true, false);
	else if (sysfs_streq(text, "release"))
		block(true, true);
	else if (sysfs_streq(text, "watch"))
		watch_current();
	else if (sysfs_streq(text, "mixed"))
		atomic_inc(&mixed_calls);
	else
		ret = -EINVAL;
	return ret ?: size;
}

static int victim_show(struct seq_file *m, void *v)
{
	seq_printf(m, "in_flight %d\n", atomic_read(&in_flight));
	seq_printf(m, "old %d\n", atomic_read(&visits[VICTIM_OLD_CODE]));
	seq_printf(m, "new %d\n", atomic_read(&visits[VICTIM_NEW_CODE]));
	seq_printf(m, "mixed %d\n", atomic_read(&mixed));
	seq_printf(m, "mixed_calls %d\n", atomic_read(&mixed_calls));
	seq_printf(m, "mixed_works %d\n", atomic_read(&mixed_works));
	seq_printf(m, "together %d\n", atomic_read(&together));
	seq_printf(m, "wrong %d\n", atomic_read(&wrong));
	seq_printf(m, "interrupted %d\n", atomic_read(&interrupted));
	seq_printf(m, "reading %d\n", atomic_read(&reading));
	seq_printf(m, "releasing %d\n", atomic_read(&releasing));
	seq_printf(m, "watched %d\n", atomic_read(&watched));
	seq_printf(m, "stood %d\n", atomic_read(&stood));
	seq_printf(m, "cells_new %u\n", new_cells(false));
	return 0;
}

static int victim_open(struct inode *inode, struct file *file)
{
	return single_open(file, victim_show, NULL);
}

static const struct proc_ops victim_proc_ops = {
	.proc_open = victim_open,
	.proc_read = seq_read,
	.proc_write = victim_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static int __init victim_init(void)
{
	int i, err;

	for (i = 0; i < CELLS; i++)
		spin_lock_init(&cells[i].lock);
	err = misc_register(&device);
	if (err)
		return err;
	err = misc_register(&close_device);
	if (err)
		goto device;
	err = misc_register(&blocked_device);
	if (err)
		goto close_device;
	err = -ENOMEM;
	if (!proc_create("victim", 0600, NULL, &victim_proc_ops))
		goto blocked_device;
	if (!proc_create("victim_call", 0444, NULL, &call_ops))
		goto proc;
	return 0;
proc:
	remove_proc_entry("victim", NULL);
blocked_device:
	misc_deregister(&blocked_device);
close_device:
	misc_deregister(&close_device);
device:
	misc_deregister(&device);
	return err;
}

static void __exit victim_exit(void)
{
	remove_proc_entry("victim_call", NULL);
	remove_proc_entry("victim", NULL);
	misc_deregister(&blocked_device);
	misc_deregister(&close_device);
	misc_deregister(&device);
	watch_nobody();
	set_kthreads(0);
}

module_init(victim_init);
module_exit(victim_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Functions that are always in use");
