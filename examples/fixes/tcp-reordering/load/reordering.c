// SPDX-License-Identifier: GPL-2.0-only
/*
 * reordering: writes -5 to tcp_reordering, here and in a new network namespace, says what came of
 * it, and writes back what was there. reordering hold: leaves a process in a namespace of its own
 * where the value is -7. reordering held: the value there, and the largest that it may have.
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
#define HOLDER "/tmp/reordering.pid"

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

static int put(const char *path, int value, int flags)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", value);
	int fd = open(path, O_WRONLY | flags, 0600), err = 0;

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	if (write(fd, text, len) != len)
		err = errno;
	close(fd);
	return err;
}

static void try(const char *where)
{
	int before = number(VALUE), err = put(VALUE, -5, 0);

	printf("%s: -5 %s, value %d\n", where, err ? strerror(err) : "accepted", number(VALUE));
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
	if (argc == 1) {
		try("here");
		own_namespace();
		try("new namespace");
	} else if (!strcmp(argv[1], "hold")) {
		own_namespace();
		put(VALUE, -7, 0);
		if (daemon(0, 0))
			return 1;
		put(HOLDER, getpid(), O_CREAT | O_TRUNC);
		pause();
	} else {
		enter(number(HOLDER));
		printf("held: value %d, at most %d\n", number(VALUE), number(LARGEST));
	}
	return 0;
}
