// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends two packets to itself with headers of its own, in a network namespace of its own: one says
 * that its header is 16 bytes long, the other 20, which is the least there is. Who receives the
 * first drops it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static const char *sent(int fd, unsigned int words)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	union {
		struct iphdr header;
		char bytes[64];
	} packet = { .header.version = 4, .header.ihl = words, .header.ttl = 1 };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	packet.header.protocol = 253;	/* for experiments: RFC 3692 */
	packet.header.saddr = to.sin_addr.s_addr;
	packet.header.daddr = to.sin_addr.s_addr;
	if (sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		return strerror(errno);
	return "sent";
}

int main(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET))
		die("unshare");
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo))
		die("raw socket");
	printf("header of 16 bytes: %s\n", sent(fd, 4));
	printf("header of 20 bytes: %s\n", sent(fd, 5));
	return 0;
}
