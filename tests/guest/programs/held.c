// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives /dev/loop7 a status that stands in a page which never comes: sleeps in lo_ioctl() until it
 * is killed.
 */
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE 4096

int main(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register page = { .range.len = SIZE };
	int fd = open("/dev/loop7", O_RDWR), faults = syscall(SYS_userfaultfd, O_CLOEXEC);
	void *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	page.range.start = (unsigned long)at;
	page.mode = UFFDIO_REGISTER_MODE_MISSING;
	if (fd < 0 || faults < 0 || at == MAP_FAILED || ioctl(faults, UFFDIO_API, &api) ||
	    ioctl(faults, UFFDIO_REGISTER, &page) || ioctl(fd, LOOP_SET_STATUS64, at))
		perror("held");
	return 1;
}
