// SPDX-License-Identifier: GPL-2.0-only
/*
 * binfmt: registers an entry of binfmt_misc that keeps its interpreter open (flag F), removes it,
 * and opens the interpreter for writing. binfmt add NAME, binfmt remove NAME: in two steps. Needs
 * the module binfmt_misc.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define TOP "/proc/sys/fs/binfmt_misc"

static char entry[128], interpreter[128];

static int say(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), err = 0;

	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		perror(path);
		err = 1;
	}
	if (fd >= 0)
		close(fd);
	return err;
}

static int add(const char *name)
{
	char text[300];
	int fd;

	if (access(TOP "/register", F_OK) && mount("none", TOP, "binfmt_misc", 0, NULL)) {
		perror(TOP);
		return 1;
	}
	/* One that an earlier process of our number has left may be pinned for good. */
	unlink(interpreter);
	fd = open(interpreter, O_WRONLY | O_CREAT | O_EXCL, 0755);
	if (fd < 0 || close(fd)) {
		perror(interpreter);
		return 1;
	}
	snprintf(text, sizeof(text), ":%s:E::%s::%s:F", name, name, interpreter);
	return say(TOP "/register", text);
}

static int remove_and_open(void)
{
	int fd;

	if (say(entry, "-1"))
		return 1;
	fd = open(interpreter, O_WRONLY);
	printf("interpreter of a removed entry: %s\n", fd < 0 ? strerror(errno) : "opens");
	return 0;
}

int main(int argc, char **argv)
{
	char own[32];
	const char *name = own;

	snprintf(own, sizeof(own), "lp%d", getpid());
	if (argc == 3)
		name = argv[2];
	snprintf(entry, sizeof(entry), TOP "/%s", name);
	snprintf(interpreter, sizeof(interpreter), "/tmp/%s", name);
	if (argc == 3)
		return strcmp(argv[1], "add") ? remove_and_open() : add(name);
	return add(name) || remove_and_open();
}
