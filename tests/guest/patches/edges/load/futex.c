// SPDX-License-Identifier: GPL-2.0-only
/*
 * futex sleep: waits for ever. futex old: says whether the kernel compares its seventh argument.
 * futex new: says what the replacement makes of it.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned int word = 7, other;

static long futex(int op, unsigned int value, unsigned int last)
{
	/* The fourth is a number of waiters to operations that take the seventh. */
	long got = syscall(SYS_futex, &word, op, value, NULL, &other, last);

	return got < 0 ? -errno : got;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	if (!strcmp(argv[1], "sleep"))
		futex(FUTEX_WAIT, 7, 0);
	else if (!strcmp(argv[1], "old"))
		printf("%ld %ld\n", futex(FUTEX_CMP_REQUEUE, 0, 7), futex(FUTEX_CMP_REQUEUE, 0, 8));
	else
		printf("%ld\n", futex(99, 1, 123456));
	return 0;
}
