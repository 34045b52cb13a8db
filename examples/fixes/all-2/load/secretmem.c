// SPDX-License-Identifier: GPL-2.0-only
/*
 * secretmem: how many pages of secret memory a user gets that may lock sixteen. It maps sixteen at
 * a time. Then whether the same user may lock twelve pages of another kind (a buffer of io_uring),
 * with the secret memory and when it is closed.
 * secretmem hold: leaves a process with eight pages. secretmem ask: tells that process to take
 * eight more. Needs secretmem.enable=1 on the kernel's command line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096UL
#define LIMIT 16UL
#define OTHER 12UL
#define ASK "/tmp/secretmem.ask"
#define ANSWER "/tmp/secretmem.answer"

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* From here on a user who may lock LIMIT pages and has locked none. */
static void become(int uid)
{
	struct rlimit limit = { LIMIT * PAGE, LIMIT * PAGE };

	if (setrlimit(RLIMIT_MEMLOCK, &limit) || setgid(uid) || setuid(uid))
		die("setuid");
}

static int secret(unsigned long pages)
{
	int fd = syscall(SYS_memfd_secret, 0);

	if (fd < 0 || ftruncate(fd, pages * PAGE))
		die("memfd_secret");
	return fd;
}

/* Up to count pages from first on; how many could be had. One that is refused is EFAULT here. */
static unsigned long take(int fd, unsigned long first, unsigned long count)
{
	int zero = open("/dev/zero", O_RDONLY);
	unsigned long got = 0;
	char *at = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, first * PAGE);

	if (zero < 0 || at == MAP_FAILED)
		die("mmap");
	while (got < count && read(zero, at + got * PAGE, 1) == 1)
		got++;
	munmap(at, count * PAGE);
	close(zero);
	return got;
}

static const char *others(void)
{
	struct io_uring_params params = { 0 };
	struct iovec buffer = { .iov_len = OTHER * PAGE };
	int ring = syscall(SYS_io_uring_setup, 1, &params), err = 0;

	buffer.iov_base = mmap(NULL, buffer.iov_len, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (ring < 0 || buffer.iov_base == MAP_FAILED)
		die("io_uring");
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &buffer, 1))
		err = errno;
	else
		syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
	close(ring);
	munmap(buffer.iov_base, buffer.iov_len);
	return err ? strerror(err) : "granted";
}

static void serve(void)
{
	unsigned long held = 0;
	int fd;

	if ((mkfifo(ASK, 0600) || mkfifo(ANSWER, 0600) || chown(ASK, 3000, 3000) ||
	     chown(ANSWER, 3000, 3000)))
		die("mkfifo");
	become(3000);
	fd = secret(512);
	held = take(fd, 0, 8);
	if (daemon(0, 0))
		die("daemon");
	for (;;) {
		FILE *ask = fopen(ASK, "r"), *answer;

		if (fgetc(ask) == EOF)
			exit(0);
		fclose(ask);
		held += take(fd, held, 8);
		answer = fopen(ANSWER, "w");
		fprintf(answer, "limit %lu pages, %lu held; %lu others: %s\n", LIMIT, held, OTHER,
			others());
		fclose(answer);
	}
}

static void ask(void)
{
	FILE *file = fopen(ASK, "w");
	char line[200];

	if (!file || fputc('a', file) == EOF || fclose(file))
		die(ASK);
	file = fopen(ANSWER, "r");
	if (!file || !fgets(line, sizeof(line), file))
		die(ANSWER);
	fputs(line, stdout);
}

int main(int argc, char **argv)
{
	unsigned long held = 0, got;
	int fd;

	if (argc > 1) {
		if (!strcmp(argv[1], "hold"))
			serve();
		ask();
		return 0;
	}
	become(10000 + getpid());
	fd = secret(256);
	do {
		got = take(fd, held, LIMIT);
		held += got;
	} while (got == LIMIT && held < 256);
	printf("limit %lu pages, %lu held; %lu others: %s", LIMIT, held, OTHER, others());
	close(fd);
	printf(", closed: %s\n", others());
	return 0;
}
