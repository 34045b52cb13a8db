// SPDX-License-Identifier: GPL-2.0-only
/* Reads /proc/edges for ever; says so once if a visit was of neither universe, or of both. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
	char text[64];
	ssize_t got;
	int fd;

	for (;;) {
		fd = open("/proc/edges", O_RDONLY);
		got = read(fd, text, sizeof(text) - 1);
		close(fd);
		if (fd < 0 || got <= 0)
			return 1;
		text[got] = '\0';
		if (atoi(text) != 40 && atoi(text) != 80) {
			fputs(text, stderr);
			return 1;
		}
	}
}
