// SPDX-License-Identifier: GPL-2.0-only
/*
 * reordering: writes -5 to tcp_reordering, here and in a new network namespace, and there also 11
 * where 10 is the largest; says what came of it, and writes back what was here.
 * reordering hold NAME VALUE: leaves a process in a namespace of its own with that value.
 * reordering held NAME: the value there, and what comes of -5.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VALUE "/proc/sys/net/ipv4/tcp_reordering"
#define LARGEST "/proc/sys/net/ipv4/tcp_max_reordering"

static int number(const char *path)
{
	FILE *file = fopen(path, "r");
	int value = 0;

	if (!file || fscanf(file, "%d", &value) != 1) {
		perror(path);
		exit(1);
	}
	fclose(file);
	return value;
}

static const char *put(const char *path, int value, int flags)
{
	const char *said = "accepted";
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", value);
	int fd = open(path, O_WRONLY | flags, 0600);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	if (write(fd, text, len) != len)
		said = strerror(errno);
	close(fd);
	return said;
}

static void try(const char *where)
{
	int before = number(VALUE);
	const char *said = put(VALUE, -5, 0);

	printf("%s: -5 %s, value %d\n", where, said, number(VALUE));
	put(VALUE, before, 0);
}

static void own_namespace(void)
{
	if (unshare(CLONE_NEWNET)) {
		perror("unshare");
		exit(1);
	}
}

static void enter(int pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0 || setns(fd, CLONE_NEWNET)) {
		perror(path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	char holder[64];

	if (argc < 3) {
		try("here");
		own_namespace();
		try("new namespace");
		put(LARGEST, 10, 0);
		printf("11 of at most 10: %s\n", put(VALUE, 11, 0));
		return 0;
	}
	snprintf(holder, sizeof(holder), "/tmp/%s.pid", argv[2]);
	if (argc > 3) {
		pid_t child;

		own_namespace();
		put(VALUE, atoi(argv[3]), 0);
		child = fork();
		if (!child)
			pause();
		/* Before this ends, so that who asks next finds it. */
		put(holder, child, O_CREAT | O_TRUNC);
		return child < 0;
	}
	enter(number(holder));
	printf("value %d\n", number(VALUE));
	try(argv[2]);
	return 0;
}
