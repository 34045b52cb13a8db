// SPDX-License-Identifier: GPL-2.0-only
/*
 * visitor start KIND COUNT: COUNT processes that visit and are away in turns, for ever; their ids.
 * visitor apply KO MODULE ROUNDS TID...: loads the patch and takes it away again; prints for each
 * the microseconds until the kernel has switched all of these threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static unsigned long long state;

static unsigned int dice(unsigned int below)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % below;
}

static void away(unsigned int us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000L };

	nanosleep(&t, NULL);
}

/* Lengths of a visit and of a gap, in microseconds. */
static void draw(const char *kind, unsigned int *visit, unsigned int *gap)
{
	if (!strcmp(kind, "fixed")) {
		*visit = 2000000;
		*gap = 500000 + dice(1000000);
	} else if (!strcmp(kind, "tail")) {	/* each doubling half as likely */
		*visit = 40000 + dice(40000);
		while (*visit < 4000000 && dice(2))
			*visit *= 2;
		*gap = 50000 + dice(100000);
	} else {				/* two: short ones, and a long one now and then */
		*visit = dice(4) ? 30000 + dice(10000) : 1200000 + dice(400000);
		*gap = 100000 + dice(400000);
	}
}

static void run(const char *kind, int number)
{
	unsigned int visit, gap;
	char word[16];
	int fd = open("/proc/visits", O_WRONLY);

	state = number * 2654435761u + 1;
	for (;;) {
		draw(kind, &visit, &gap);
		snprintf(word, sizeof(word), "%u", visit);
		if (write(fd, word, strlen(word)) < 0)
			_exit(1);
		away(gap);
	}
}

static int start(const char *kind, int count)
{
	for (int i = 1; i <= count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (!pid) {
			int null = open("/dev/null", O_RDWR);

			for (int fd = 0; fd < 3; fd++)
				dup2(null, fd);
			prctl(PR_SET_NAME, kind);
			run(kind, i);
		}
		printf("%d\n", pid);
	}
	return 0;
}

static int number_in(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return atoi(text);
}

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

/* Microseconds until all of ``tids`` are in ``state``, or no transition is on: then all are. */
static long switched(const char *module, int wanted, int count, char **tids)
{
	char path[96], transition[96];
	long begin = now();

	snprintf(transition, sizeof(transition), "/sys/kernel/livepatch/%s/transition", module);
	for (;;) {
		int waiting = 0;

		for (int i = 0; i < count; i++) {
			snprintf(path, sizeof(path), "/proc/%s/patch_state", tids[i]);
			waiting += number_in(path) == !wanted;
		}
		/* Gone at the end of an unpatch. */
		if (!waiting || number_in(transition) != 1)
			return now() - begin;
		away(4000);
	}
}

static void settle(const char *module)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/kernel/livepatch/%s/transition", module);
	while (number_in(path) == 1)
		away(20000);
}

static int apply(const char *ko, const char *module, int rounds, int count, char **tids)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/kernel/livepatch/%s/enabled", module);
	for (int i = 0; i < rounds; i++) {
		int fd = open(ko, O_RDONLY);

		away(5000000 + dice(15000000));	/* not in step with the threads */
		if (syscall(SYS_finit_module, fd, "", 0))
			return 2;
		close(fd);
		printf("%ld\n", switched(module, 1, count, tids));
		settle(module);
		away(5000000 + dice(15000000));	/* not in step with the threads */
		fd = open(path, O_WRONLY);
		if (write(fd, "0", 1) != 1)
			return 3;
		close(fd);
		printf("%ld\n", switched(module, 0, count, tids));
		settle(module);
		while (syscall(SYS_delete_module, module, O_NONBLOCK))
			away(50000);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "start"))
		return start(argv[2], atoi(argv[3]));
	if (argc > 5 && !strcmp(argv[1], "apply"))
		return apply(argv[2], argv[3], atoi(argv[4]), argc - 5, argv + 5);
	return 9;
}
