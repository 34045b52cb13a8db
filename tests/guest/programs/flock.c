// SPDX-License-Identifier: MIT
/* flock -w SECONDS FD, of util-linux, for a guest that has busybox alone. */
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int tries;

	if (argc != 4)
		return 2;
	for (tries = atoi(argv[2]) * 10; tries >= 0; tries--) {
		if (!flock(atoi(argv[3]), LOCK_EX | LOCK_NB))
			return 0;
		usleep(100000);
	}
	return 1;
}
