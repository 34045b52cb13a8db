# SPDX-License-Identifier: MIT
"""A small file as the kernel has them."""

FILE = """\
// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "small: " fmt
#include <linux/kernel.h>
#include "small.h"
#define CREATE_TRACE_POINTS
#include <trace/events/small.h>

#define LIMIT (BASE + 1)
#define BASE 3

struct thing {
	int count;
	struct list_head list __aligned(8);
} __packed;
enum state { OFF, ON = LIMIT };

static DEFINE_MUTEX(lock);
static int used __read_mostly = 1;
static const int most = LIMIT;
static struct thing table[] = { { .count = OFF } };
static int helper(struct thing *t);

static inline int twice(int x)
{
	return 2 * x;
}

static int helper(struct thing *t)
{
	return twice(t->count);
}

#ifdef CONFIG_SMALL
static noinline int
show(struct thing *t, /* comment */
     int most)
{
	static int calls;

	mutex_lock(&lock);
	list_for_each_entry(t, &t->list, list) {
		if (t->used)
			used += helper(t) + most;
	}
	mutex_unlock(&lock);
	return ON;
}
#else
static int show(struct thing *t, int most) { return 0; }
#endif

static int __init small_init(void)
{
	return show(table, 0);
}

SYSCALL_DEFINE2(small, int, fd, const char __user *, name)
{
	return show(NULL, fd);
}
"""


def known(name: str) -> bool | None:
    return name == "CONFIG_SMALL" if name.startswith("CONFIG_") else None
