// SPDX-License-Identifier: GPL-2.0-only
/* paths getppid|udp CALLS SPIN: so many calls, between two of them a loop of SPIN; how long. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(4242),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int udp, fd;
	long calls, spin;
	uint64_t start;
	char byte = 0;

	if (argc != 4)
		return 2;
	udp = !strcmp(argv[1], "udp");
	calls = atol(argv[2]);
	spin = atol(argv[3]);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		perror("udp on loopback");
		return 1;
	}
	start = now();
	for (long i = 0; i < calls; i++) {
		if (!udp)
			syscall(SYS_getppid);
		else if (send(fd, &byte, 1, 0) != 1 || recv(fd, &byte, 1, 0) != 1)
			return 1;
		for (volatile long j = 0; j < spin; j++)
			;
	}
	printf("calls %ld ns %llu\n", calls, (unsigned long long)(now() - start));
	return 0;
}
