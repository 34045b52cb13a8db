// SPDX-License-Identifier: GPL-2.0-only
/* Attaches a filter of one instruction to a TCP and to a UDP socket, without any privilege. */
#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *attach(int type)
{
	struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, 0xffff) };
	struct sock_fprog filter = { .len = 1, .filter = all };
	int fd = socket(AF_INET, type, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		return strerror(errno);
	return "attached";
}

int main(void)
{
	if (setgid(65534) || setuid(65534)) {
		perror("setuid");
		return 1;
	}
	printf("tcp: %s\n", attach(SOCK_STREAM));
	printf("udp: %s\n", attach(SOCK_DGRAM));
	return 0;
}
