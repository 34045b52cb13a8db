// SPDX-License-Identifier: GPL-2.0-only
/*
 * lppack_engine: stopping the machine, and looking at its threads meanwhile.
 *
 * Inside stop_machine() no thread runs but the stoppers, none holds tasklist_lock, and no section
 * with preemption off is under way: all lists can be read, and all stacks stand still.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/stop_machine.h>

#include "internal.h"
#include "lppack_trace.h"

/*
 * An exiting thread is taken off the list of processes some steps before it runs for the last time,
 * and may sleep in these steps. From v6.9 on, RCU-tasks has exiting threads on a list for each CPU,
 * until they cannot be preempted any more.
 */
int lpe_find_exit_lists(struct lpe_patch *patch, const struct lpe_options *options)
{
	unsigned long heads;

	if (!options->exit_head)
		return 0;
	heads = lpe_symbol("rcu_tasks__percpu", NULL);
	if (!heads) {
		pr_err("%s: this kernel has no rcu_tasks__percpu\n", patch->klp->mod->name);
		return -ENOENT;
	}
	patch->exit_heads = heads + options->exit_head;
	patch->exit_node = options->exit_node;
	return 0;
}

/*
 * In a stop. The lock of the list is held only with interrupts off, so no thread is changing the
 * list.
 */
static bool lpe_each_exiting(struct lpe_patch *patch, int cpu, lpe_visit *visit)
{
	struct list_head *head, *node;
	struct task_struct *task;
	bool all = true;

	lpe_assert_stopped();
	head = (struct list_head *)(patch->exit_heads + per_cpu_offset(cpu));
	if (!head->next)	/* not made yet */
		return true;
	list_for_each(node, head) {
		/* rcu_tasks_postscan() keeps its place with a node on its own stack. */
		if (is_vmalloc_addr(node))
			continue;
		task = (struct task_struct *)((unsigned long)node - patch->exit_node);
		/* A task that still has its pid is on the list of processes, too. */
		if (!pid_alive(task))
			all &= visit(patch, task);
	}
	return all;
}

/* In a stop. Visit all threads and idle tasks but the stoppers; a false does not end the walk. */
bool lpe_each_task(struct lpe_patch *patch, lpe_visit *visit)
{
	struct task_struct *group, *task;
	bool all = true;
	int cpu;

	lpe_assert_stopped();
	for_each_process_thread(group, task)
		/* What runs now is a stopper: the machine would not be stopped otherwise. */
		if (!task->on_cpu)
			all &= visit(patch, task);
	for_each_online_cpu(cpu)
		all &= visit(patch, lpe_idle_task(cpu));
	if (patch->exit_heads)
		for_each_possible_cpu(cpu)
			all &= lpe_each_exiting(patch, cpu, visit);
	return all;
}

struct lpe_stopped {
	int (*body)(void *patch);
	struct lpe_patch *patch;
	u64 took;	/* ns */
};

static int lpe_stop_body(void *data)
{
	struct lpe_stopped *stopped = data;
	struct lpe_statistics *stats = &stopped->patch->stats;
	u64 start = ktime_get_mono_fast_ns();
	int err;

	stopped->patch->stop_began = start;
	err = stopped->body(stopped->patch);
	stopped->took = ktime_get_mono_fast_ns() - start;
	stats->stops++;
	stats->stopped += stopped->took;
	stats->longest_stop = max(stats->longest_stop, stopped->took);
	return err;
}

/* Run body on one CPU while all others stand still with interrupts off. Return its result. */
int lpe_stop(int (*body)(void *patch), struct lpe_patch *patch)
{
	struct lpe_stopped stopped = { .body = body, .patch = patch };
	int err;

	err = stop_machine(lpe_stop_body, &stopped, NULL);
	trace_lppack_stop(patch->klp->mod->name, stopped.took, patch->left);
	return err;
}
