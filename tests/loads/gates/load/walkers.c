// SPDX-License-Identifier: GPL-2.0-only
/*
 * walkers COUNT: so many processes, "gate-0" and so on, each of which is a thread of the module
 * gates until it is killed, with all of its process group.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static void walk(int number)
{
	char name[16], byte;
	int fd = open("/proc/gates_walk", O_RDONLY | O_CLOEXEC);

	snprintf(name, sizeof(name), "gate-%d", number);
	if (fd < 0 || prctl(PR_SET_NAME, name))
		exit(1);
	for (;;)
		if (pread(fd, &byte, 1, number) < 0 && errno != EINTR)
			exit(1);
}

int main(int argc, char **argv)
{
	int i, count = argc == 2 ? atoi(argv[1]) : 0;

	for (i = 0; i < count; i++)
		if (!fork())
			walk(i);
	for (;;)
		pause();
}
