// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asks for a smallest buffer that is larger than the largest, and shows the size of the buffer.
 * Needs the module vsock, and no transport.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <linux/vm_sockets.h>

int main(void)
{
	unsigned long long smallest = 1 << 20, largest = 0, size = 0;
	socklen_t len = sizeof(size);
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (fd < 0 ||
	    setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MIN_SIZE, &smallest, len) ||
	    getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &largest, &len) ||
	    getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, &len)) {
		perror("vsock");
		return 1;
	}
	printf("buffer %llu of at most %llu\n", size, largest);
	return 0;
}
