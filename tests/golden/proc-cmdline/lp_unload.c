// SPDX-License-Identifier: GPL-2.0-only
/*
 * Made by lppack for lppack_proc_cmdline_1: the module goes when no thread is in it any more.
 *
 * The kernel releases a module that is unpatched, and judges only by the return addresses on a
 * stack whether its thread is outside. A thread that was preempted in the ftrace call of an old
 * function has the address of the new function only in its saved registers: it counts as outside,
 * and enters the new function later. So the module holds a reference to itself, and puts it on
 * request, when no stack shows a thread inside.
 */
#include <linux/cpumask.h>
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/kobject.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/stacktrace.h>
#include <linux/stop_machine.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "lp_runtime.h"

/*
 * Not exported. As in lp_marks.h: modpost accepts them because they are weak, and the kernel
 * resolves them.
 */
#pragma weak stack_trace_save_tsk_reliable
#pragma weak idle_task

#define LP_STACK	256
#define LP_SHOWN	20
#define LP_ENDS		16

struct lp_inside {
	pid_t pid;
	pid_t tid;
	char comm[TASK_COMM_LEN];
	unsigned long address;	/* 0: its stack is not reliable */
};

/* Written in a stop, which waits for readers that have preemption off. */
static struct lp_inside lp_inside[LP_SHOWN];
static unsigned int lp_inside_count;

/* Used only in a stop. */
static unsigned long lp_entries[LP_STACK];
static unsigned long lp_ends[LP_ENDS];
static unsigned int lp_ends_known;

/*
 * Serialises writers of unload and lp_unload_keep(): protects lp_kept and lp_let_go. It is held
 * over a stop; its holders take no other lock.
 */
static DEFINE_MUTEX(lp_unload_lock);
static bool lp_kept;		/* this module holds itself, or has done so */
static bool lp_let_go;		/* it has put that reference */
static struct kobject *lp_dir;

/*
 * True for an address in code where threads come into the kernel. The kernel calls some stacks
 * reliable that end too early: if a thread was preempted in the thunk of an indirect branch, v6.1's
 * unwinder sees nothing beyond it (UNWIND_HINT_EMPTY in arch/x86/lib/retpoline.S). There are few
 * such addresses, so each name is looked up only once.
 */
static bool lp_is_end(unsigned long address)
{
	static const char * const names[] = { "asm_", "entry_", "ret_from_fork" };
	char name[KSYM_SYMBOL_LEN];
	unsigned int i;

	for (i = 0; i < lp_ends_known; i++)
		if (lp_ends[i] == address)
			return true;
	sprint_symbol(name, address);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (str_has_prefix(name, names[i]))
			break;
	if (i == ARRAY_SIZE(names))
		return false;
	if (lp_ends_known < LP_ENDS)
		lp_ends[lp_ends_known++] = address;
	return true;
}

static void lp_note(struct task_struct *task, unsigned long address)
{
	struct lp_inside *one;

	if (lp_inside_count < LP_SHOWN) {
		one = &lp_inside[lp_inside_count];
		one->pid = task->tgid;
		one->tid = task->pid;
		memcpy(one->comm, task->comm, sizeof(one->comm));
		one->comm[sizeof(one->comm) - 1] = '\0';
		one->address = address;
	}
	lp_inside_count++;
}

/*
 * Note a thread that is inside, or may be. ours: the number of its frames in this module to ignore.
 */
static void lp_look_at(struct task_struct *task, unsigned int ours)
{
	int count = stack_trace_save_tsk_reliable(task, lp_entries, LP_STACK), i;

	if (count < 0 ||
	    (count && !is_idle_task(task) && !lp_is_end(lp_entries[count - 1]))) {
		lp_note(task, 0);
		return;
	}
	for (i = 0; i < count; i++)
		if (within_module(lp_entries[i], THIS_MODULE) && !ours--) {
			lp_note(task, lp_entries[i]);
			return;
		}
}

/* In a stop. The thread that requested it has one frame in this module: lp_unload_store(). */
static int lp_look(void *asking)
{
	struct task_struct *group, *task;
	int cpu;

	lp_inside_count = 0;
	for_each_process_thread(group, task)
		/* What runs now is a stopper: the machine would not be stopped otherwise. */
		if (!task->on_cpu)
			lp_look_at(task, task == asking);
	for_each_online_cpu(cpu)
		lp_look_at(idle_task(cpu), 0);
	return lp_inside_count ? -EAGAIN : 0;
}

/*
 * Return -EBUSY if the kernel still holds the module, or another request is under way; -EAGAIN if a
 * thread is inside.
 *
 * When no reference is left but ours, no function is redirected to this module any more. Then
 * synchronize_rcu_tasks() waits for threads that are in an ftrace call: they come back from it, or
 * get into this module, where their stacks show them. So no thread comes in after the second stop.
 * An exiting thread that was taken off the list of processes while it was inside is
 * waited for by the second synchronize_rcu_tasks(): this kernel's waits for all of do_exit().
 */
static ssize_t lp_unload_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			       size_t count)
{
	bool on;
	int err;

	err = kstrtobool(buf, &on);
	if (err)
		return err;
	if (!on)
		return -EINVAL;
	/* A writer that waits here would be found inside by the stop of the other one. */
	if (!mutex_trylock(&lp_unload_lock))
		return -EBUSY;
	if (!lp_let_go) {
		err = -EBUSY;
		if (lp_kept && module_refcount(THIS_MODULE) == 1)
			err = stop_machine(lp_look, current, NULL);
		if (!err) {
			synchronize_rcu_tasks();
			err = stop_machine(lp_look, current, NULL);
		}
		if (!err) {
			synchronize_rcu_tasks();
			lp_let_go = true;
			/* Until this function has returned, lp_unload_exit() waits in sysfs. */
			module_put(THIS_MODULE);
		}
	}
	mutex_unlock(&lp_unload_lock);
	return err ?: count;
}

static struct kobj_attribute unload_attr = __ATTR(unload, 0200, NULL, lp_unload_store);

/* A line for each thread: process, thread, function or -, reason, name, separated by tabs. */
static ssize_t lp_inside_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct lp_inside *copy, *one;
	unsigned int count;
	int len = 0;

	copy = kmalloc(sizeof(lp_inside), GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	preempt_disable();
	count = min_t(unsigned int, lp_inside_count, LP_SHOWN);
	memcpy(copy, lp_inside, count * sizeof(*copy));
	preempt_enable();
	for (one = copy; one < copy + count; one++) {
		len += sysfs_emit_at(buf, len, "%d\t%d\t", one->pid, one->tid);
		/*
		 * An address on a stack is that behind a call: perhaps the next function's start.
		 */
		if (one->address)
			len += sysfs_emit_at(buf, len, "%ps\tis in",
					     (void *)(one->address - 1));
		else
			len += sysfs_emit_at(buf, len, "-\tits stack is not reliable");
		len += sysfs_emit_at(buf, len, "\t%*pE\n",
				     (int)strnlen(one->comm, sizeof(one->comm)), one->comm);
	}
	kfree(copy);
	return len;
}

/* 0400 as /proc/PID/stack: it shows where in the kernel the threads of all users are. */
static struct kobj_attribute inside_attr = __ATTR(inside, 0400, lp_inside_show, NULL);

static struct attribute *lp_attrs[] = {
	&unload_attr.attr,
	&inside_attr.attr,
	NULL
};

static const struct attribute_group lp_group = { .attrs = lp_attrs };

/* /sys/module/lppack_proc_cmdline_1/lppack */
int lp_unload_init(void)
{
	int err;

	lp_dir = kobject_create_and_add("lppack", &THIS_MODULE->mkobj.kobj);
	if (!lp_dir)
		return -ENOMEM;
	err = sysfs_create_group(lp_dir, &lp_group);
	if (err) {
		kobject_put(lp_dir);
		lp_dir = NULL;
	}
	return err;
}

/*
 * Called in the module's init, when the patch is enabled. A write to unload before that gets
 * -EBUSY.
 */
void lp_unload_keep(void)
{
	mutex_lock(&lp_unload_lock);
	__module_get(THIS_MODULE);
	lp_kept = true;
	mutex_unlock(&lp_unload_lock);
}

/* On return no thread reads or writes the files above. */
void lp_unload_exit(void)
{
	if (!lp_dir)
		return;
	sysfs_remove_group(lp_dir, &lp_group);
	kobject_put(lp_dir);
}
