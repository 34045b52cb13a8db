// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets an auxiliary vector of one pair by prctl(PR_SET_MM), and counts the pairs that
 * /proc/self/auxv shows then: those of the old vector that lie behind the new one, or none.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(void)
{
	unsigned long one[2] = { AT_PAGESZ, 4096 }, shown[128] = { 0 };
	unsigned int pairs = 0;
	int fd;

	if (prctl(PR_SET_MM, PR_SET_MM_AUXV, one, sizeof(one), 0)) {
		perror("PR_SET_MM_AUXV");
		return 1;
	}
	fd = open("/proc/self/auxv", O_RDONLY);
	if (fd < 0 || read(fd, shown, sizeof(shown) - sizeof(*shown)) < 0) {
		perror("/proc/self/auxv");
		return 1;
	}
	while (shown[2 * pairs])
		pairs++;
	printf("1 set, %u shown\n", pairs);
	return 0;
}
