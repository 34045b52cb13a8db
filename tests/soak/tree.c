// SPDX-License-Identifier: GPL-2.0-only
/*
 * tree STATE: two processes and a thread that use what a service uses. Twenty times a second STATE is
 * written anew: one line of NAME=VALUE, in which 1 says that the thing works and holds what it held;
 * gap: the most ms between two lines, by the clock that the program sees.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MEMORY (8 << 20)
#define PAGE 4096

static volatile long ticks;

static void *tick(void *unused)
{
	for (;;) {
		ticks++;
		usleep(10000);
	}
	return unused;
}

static int echoes(int to, int from)
{
	char byte = 'x', back = 0;

	return write(to, &byte, 1) == 1 && read(from, &back, 1) == 1 && back == byte;
}

static int loopback(int *client)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(7777),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1, server = socket(AF_INET, SOCK_STREAM, 0);

	*client = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(server, (struct sockaddr *)&to, sizeof(to)) || listen(server, 1) ||
	    connect(*client, (struct sockaddr *)&to, sizeof(to)))
		return -1;
	return accept(server, NULL, NULL);
}

static void child(int in, int out, volatile long *shared)
{
	long value;

	while (read(in, &value, sizeof(value)) == sizeof(value)) {
		value *= 3;
		++*shared;
		if (write(out, &value, sizeof(value)) != sizeof(value))
			break;
	}
	_exit(1);
}

/* A periodic timer, which has always expired when it is read. */
static int timer(void)
{
	struct itimerspec each = { { 0, 20000000 }, { 0, 20000000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

	timerfd_settime(fd, 0, &each, NULL);
	return fd;
}

int main(int argc, char **argv)
{
	int there[2], back[2], pair[2], client, served, queue, expired, counter;
	struct epoll_event event = { .events = EPOLLIN }, got;
	unsigned char *memory = malloc(MEMORY);
	volatile long *shared;
	uint64_t times, expirations = 0, value;
	struct timespec last;
	long gap = 0;
	pthread_t thread;

	if (argc != 2 || !memory)
		return 2;
	for (long i = 0; i < MEMORY; i++)
		memory[i] = (unsigned char)(i / PAGE * 31);
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	served = loopback(&client);
	if (served < 0 || pipe(there) || pipe(back) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return 3;
	if (!fork()) {
		close(there[1]);
		close(back[0]);
		child(there[0], back[1], shared);
	}
	close(there[0]);
	close(back[1]);
	signal(SIGUSR1, SIG_IGN);
	clock_gettime(CLOCK_MONOTONIC, &last);
	pthread_create(&thread, NULL, tick, NULL);
	expired = timer();
	counter = eventfd(5, EFD_NONBLOCK);
	queue = epoll_create1(0);
	epoll_ctl(queue, EPOLL_CTL_ADD, pair[1], &event);
	for (long n = 1;; n++) {
		long said = n, answer = 0, pages = 0;
		struct sigaction usr1;
		char line[400];
		struct timespec now;
		int fd;

		epoll_wait(queue, &got, 1, 50);
		if (read(expired, &times, sizeof(times)) == sizeof(times))
			expirations += times;
		if (write(there[1], &said, sizeof(said)) != sizeof(said) ||
		    read(back[0], &answer, sizeof(answer)) != sizeof(answer))
			return 4;
		for (long i = 0; i < MEMORY; i += PAGE)
			pages += memory[i] == (unsigned char)(i / PAGE * 31);
		if (read(counter, &value, sizeof(value)) == sizeof(value))
			value = write(counter, &value, sizeof(value)) == sizeof(value) ? value : 0;
		sigaction(SIGUSR1, NULL, &usr1);
		clock_gettime(CLOCK_MONOTONIC, &now);
		said = (now.tv_sec - last.tv_sec) * 1000 + (now.tv_nsec - last.tv_nsec) / 1000000;
		gap = said > gap ? said : gap;
		last = now;
		snprintf(line, sizeof(line),
			 "n=%ld pipe=%d unix=%d tcp=%d memory=%d shared=%d eventfd=%d signal=%d "
			 "ticks=%ld timer=%lu pid=%d gap=%ld\n",
			 n, answer == 3 * n, echoes(pair[0], pair[1]), echoes(client, served),
			 pages == MEMORY / PAGE, *shared == n, value == 5,
			 usr1.sa_handler == SIG_IGN, ticks, (unsigned long)expirations, getpid(), gap);
		fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644);
		if (fd < 0 || write(fd, line, strlen(line)) < 0)
			return 5;
		close(fd);
	}
}
