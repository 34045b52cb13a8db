// SPDX-License-Identifier: GPL-2.0-only
/* Writes what is no number to the sysctls of an interface, and says what came of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char * const names[] = {
	"disable_ipv6", "forwarding", "ignore_routes_with_linkdown",
};

int main(void)
{
	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[128];
		ssize_t done;
		int fd;

		snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/lo/%s", names[i]);
		fd = open(path, O_WRONLY);
		if (fd < 0) {
			perror(path);
			return 1;
		}
		done = write(fd, "junk", 4);
		printf("%s: %s\n", names[i], done < 0 ? strerror(errno) : "accepted");
		close(fd);
	}
	return 0;
}
