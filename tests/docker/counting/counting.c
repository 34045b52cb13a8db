// SPDX-License-Identifier: GPL-2.0-only
/*
 * counting NAME: plays a story with the engine's own count.c. Threads enter the patched set and leave
 * it; one that ends is on no list, so that only the count knows of it. A line on stdout, and an exit
 * code of 1, if the kernel switches while a thread is inside.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

struct task_struct {
	bool listed;
	bool inside;
	bool in_new;	/* the universe of its visit */
};

static struct task_struct x, y;
static struct task_struct *const tasks[] = { &x, &y };
static struct lpe_counter counter;
static struct module module = { "story" };
static struct klp_patch klp = { &module };
static struct lpe_patch patch = { .klp = &klp, .counter = &counter, .target = LPE_NEW };
static void (*meanwhile)(void);	/* what happens while the worker waits for RCU */

unsigned long jiffies;

static void check(const char *when)
{
	bool now = counter.word.counter & LPE_IN_NEW;
	size_t i;

	for (i = 0; i < 2; i++)
		if (tasks[i]->inside && tasks[i]->in_new != now) {
			printf("%s: the kernel has switched with a thread inside\n", when);
			exit(1);
		}
}

static void enter(struct task_struct *task, bool listed)
{
	task->listed = listed;
	task->in_new = lpe_enter(&counter);
	task->inside = true;
}

static void leave(struct task_struct *task)
{
	task->inside = false;
	lpe_leave(&counter);
	check("a thread has left");
}

void synchronize_rcu_tasks(void)
{
	if (meanwhile)
		meanwhile();
}

int lpe_stop(int (*body)(void *patch), struct lpe_patch *patch)
{
	int err = body(patch);

	check("a stop");
	return err;
}

bool lpe_each_task(struct lpe_patch *patch, lpe_visit *visit)
{
	bool all = true;
	size_t i;

	for (i = 0; i < 2; i++)
		if (tasks[i]->listed)
			all &= visit(patch, tasks[i]);
	return all;
}

/* All visits here begin when calls go to wrappers. */
bool lpe_is_counted(struct lpe_patch *patch, struct task_struct *task)
{
	patch->seen += task->inside;
	return true;
}

static bool is_ready(struct lpe_patch *patch, struct task_struct *task)
{
	(void)patch;
	return !task->inside;
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
	return 0;
}

static int again(void)
{
	jiffies += 1000;
	return lpe_count_try(&patch);
}

static void must_end(void)
{
	meanwhile = NULL;
	if (again() && again()) {
		printf("it does not end\n");
		exit(1);
	}
}

static void x_leaves(void)
{
	if (x.inside)
		leave(&x);
}

static void y_leaves(void)
{
	if (y.inside)
		leave(&y);
}

/* As many as before, but another one. */
static void y_comes_x_leaves(void)
{
	if (x.inside) {
		enter(&y, false);
		leave(&x);
	}
}

/* What was found in one transition says nothing in the next. */
static void story_stale(void)
{
	lpe_count_begin(&patch);
	enter(&x, false);
	meanwhile = x_leaves;
	again();
	lpe_count_end(&patch);
	patch.target = LPE_OLD;
	lpe_count_begin(&patch);
	enter(&y, false);
	meanwhile = y_leaves;
	again();
	must_end();
}

static void story_another(void)
{
	lpe_count_begin(&patch);
	enter(&x, false);
	meanwhile = y_comes_x_leaves;
	again();
	leave(&y);
	must_end();
}

/* The same across two rounds: only the first was followed by a wait. */
static void story_later(void)
{
	lpe_count_begin(&patch);
	enter(&x, false);
	meanwhile = y_comes_x_leaves;
	again();
	meanwhile = y_leaves;
	again();
	must_end();
}

static void below_zero(void)
{
	lpe_count_begin(&patch);
	lpe_leave(&counter);
	enter(&x, true);
	if (!again()) {
		printf("the kernel has switched with a thread inside\n");
		exit(1);
	}
	leave(&x);
	must_end();
}

static void story_negative(void)
{
	below_zero();
}

static void story_negative_world(void)
{
	patch.world = (struct lpe_world *)&patch;
	below_zero();
}

/* The control: who has died inside is counted off. */
static void story_died(void)
{
	lpe_count_begin(&patch);
	enter(&x, false);
	x.inside = false;
	again();
	must_end();
	if (patch.stats.lost != 1) {
		printf("%lu were lost\n", patch.stats.lost);
		exit(1);
	}
}

static const struct {
	const char *name;
	void (*play)(void);
} stories[] = {
	{ "stale", story_stale },
	{ "another", story_another },
	{ "later", story_later },
	{ "negative", story_negative },
	{ "negative-world", story_negative_world },
	{ "died", story_died },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; argc == 2 && i < sizeof(stories) / sizeof(stories[0]); i++)
		if (!strcmp(argv[1], stories[i].name)) {
			stories[i].play();
			return 0;
		}
	return 2;
}
