// SPDX-License-Identifier: GPL-2.0-only
/*
 * schedules FOUND: does with the engine's own count.c what stdin says, a step a line, and prints after
 * each what the word holds: visits, universe, armed, how many of the calls under way are of the new
 * universe, and whether the worker waits. FOUND is 1 if a stop finds threads that end.
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "count.c"

#define THREADS	4
#define DEPTH	8

struct task_struct {
	bool listed;
	int depth;
	struct {
		bool counted;
		bool in_new;
	} calls[DEPTH];
};

static struct task_struct tasks[THREADS];
static struct lpe_counter counter;
static struct module module = { "schedule" };
static struct klp_patch klp = { &module };
static struct lpe_patch patch;
static bool found, waits;
static jmp_buf afresh;

unsigned long jiffies;

int lpe_stop(int (*body)(void *patch), struct lpe_patch *patch)
{
	return body(patch);
}

bool lpe_each_task(struct lpe_patch *patch, lpe_visit *visit)
{
	bool all = true;
	int i;

	for (i = 0; i < THREADS; i++)
		if (tasks[i].listed || found)
			all &= visit(patch, &tasks[i]);
	return all;
}

bool lpe_is_counted(struct lpe_patch *patch, struct task_struct *task)
{
	int i;

	for (i = 0; i < task->depth; i++) {
		if (!task->calls[i].counted)
			return false;
		patch->seen++;
	}
	return true;
}

static bool is_ready(struct lpe_patch *patch, struct task_struct *task)
{
	(void)patch;
	return !task->depth;
}

bool lpe_all_ready(struct lpe_patch *patch)
{
	return lpe_each_task(patch, is_ready);
}

void lpe_no_blockers(struct lpe_patch *patch)
{
	(void)patch;
}

int lpe_world_turn(struct lpe_patch *patch)
{
	(void)patch;
	abort();
}

static void say(void)
{
	long word = counter.word.counter;
	int i, j, fresh = 0;

	for (i = 0; i < THREADS; i++)
		for (j = 0; j < tasks[i].depth; j++)
			fresh += tasks[i].calls[j].in_new;
	printf("%ld %d %d %d %d\n", lpe_visits(word), !!(word & LPE_IN_NEW), !!(word & LPE_ARMED),
	       fresh, waits);
}

static void begin_afresh(int below)
{
	int i;

	memset(tasks, 0, sizeof(tasks));
	for (i = 0; i < THREADS; i++)
		tasks[i].listed = true;
	memset(&counter, 0, sizeof(counter));
	memset(&patch, 0, sizeof(patch));
	patch.klp = &klp;
	patch.counter = &counter;
	patch.route = LPE_OLD;
	waits = false;
	for (; below; below--)
		lpe_leave(&counter);
}

static void call(struct task_struct *task)
{
	bool counted = patch.route == LPE_BY_COUNT;
	int i = task->depth++;

	task->calls[i].counted = counted;
	task->calls[i].in_new = counted ? lpe_enter(&counter) : patch.route == LPE_NEW;
}

static void turn_to(u32 target)
{
	if (patch.route == LPE_BY_COUNT)
		lpe_count_end(&patch);
	patch.target = target;
	lpe_count_begin(&patch);
}

/* Steps up to the end of the wait that is under way, or of all. */
static void go_on(void)
{
	struct task_struct *task;
	char what[16];
	int n;

	while (scanf("%15s %d", what, &n) == 2) {
		task = &tasks[n % THREADS];
		if (!strcmp(what, "afresh")) {
			begin_afresh(n);
			longjmp(afresh, 1);
		} else if (!strcmp(what, "call")) {
			call(task);
		} else if (!strcmp(what, "ret")) {
			if (task->calls[--task->depth].counted)
				lpe_leave(&counter);
		} else if (!strcmp(what, "die")) {
			task->depth = 0;
		} else if (!strcmp(what, "off")) {
			task->listed = false;
		} else if (!strcmp(what, "turn")) {
			turn_to(n);
		} else if (!strcmp(what, "end")) {
			lpe_count_end(&patch);
		} else if (!strcmp(what, "arm")) {
			lpe_stop(lpe_arm, &patch);
		} else if (!strcmp(what, "look")) {
			lpe_look_twice(&patch);
		} else if (!strcmp(what, "waited")) {
			return;
		} else {
			exit(2);
		}
		say();
	}
}

void synchronize_rcu_tasks(void)
{
	waits = true;
	say();
	go_on();
	waits = false;
}

int main(int argc, char **argv)
{
	found = argc == 2 && atoi(argv[1]);
	setjmp(afresh);
	go_on();
	return 0;
}
