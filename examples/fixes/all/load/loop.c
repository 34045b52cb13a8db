// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opens a loop device exclusively, and changes its block size through another descriptor.
 * loop: on a device of its own; loop make N: sets up /dev/loopN, and leaves it; loop try N: on
 * that one; loop clear N: takes it down. Needs the module loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static char device[32];

static int make(int number)
{
	char path[32];
	int file, fd, err;

	snprintf(path, sizeof(path), "/tmp/loop%d", number);
	file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	fd = open(device, O_RDWR);
	err = file < 0 || ftruncate(file, 1 << 20) || fd < 0 || ioctl(fd, LOOP_SET_FD, file);
	if (err)
		perror(device);
	close(file);
	close(fd);
	return err;
}

static int try(void)
{
	int owner = open(device, O_RDWR | O_EXCL), other = open(device, O_RDWR);
	int size = 0, err;

	if (owner < 0 || other < 0) {
		perror(device);
		return 1;
	}
	err = ioctl(other, LOOP_SET_BLOCK_SIZE, 4096UL) ? errno : 0;
	if (ioctl(other, BLKSSZGET, &size)) {
		perror("BLKSSZGET");
		return 1;
	}
	printf("under an exclusive owner: %s, block size %d\n", err ? strerror(err) : "changed",
	       size);
	/* The owner itself may. */
	if (ioctl(owner, LOOP_SET_BLOCK_SIZE, 1024UL) || ioctl(owner, LOOP_SET_BLOCK_SIZE, 512UL))
		printf("the owner: %s\n", strerror(errno));
	close(owner);
	close(other);
	return 0;
}

static int clear(void)
{
	int fd = open(device, O_RDWR), err = fd < 0 || ioctl(fd, LOOP_CLR_FD);

	if (err)
		perror(device);
	close(fd);
	return err;
}

int main(int argc, char **argv)
{
	int number, control, err;

	if (argc == 3) {
		number = atoi(argv[2]);
		snprintf(device, sizeof(device), "/dev/loop%d", number);
		if (!strcmp(argv[1], "clear"))
			return clear();
		return strcmp(argv[1], "make") ? try() : make(number);
	}
	control = open("/dev/loop-control", O_RDWR);
	number = ioctl(control, LOOP_CTL_GET_FREE);
	if (number < 0) {
		perror("/dev/loop-control");
		return 1;
	}
	snprintf(device, sizeof(device), "/dev/loop%d", number);
	close(control);
	err = make(number) || try();
	return clear() || err;
}
