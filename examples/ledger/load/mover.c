// SPDX-License-Identifier: GPL-2.0-only
/*
 * mover THREADS ROUNDS: each thread moves a cent between two accounts of its own, there and back,
 * ROUNDS times (0: until SIGTERM); the first one reads the total meanwhile, which stays what it is.
 * Prints how often it was something else.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int stopped;
static long rounds, moving;
static int file;

static void stop(int signal)
{
	__atomic_store_n(&stopped, 1, __ATOMIC_SEQ_CST);
}

static int is_stopped(void)
{
	return __atomic_load_n(&stopped, __ATOMIC_SEQ_CST);
}

static void pay(long from, long to)
{
	char line[64];
	int length = snprintf(line, sizeof(line), "move %ld %ld 1", from, to);

	if (write(file, line, length) != length) {
		perror("move");
		exit(1);
	}
}

static void *mover(void *number)
{
	long first = 2 * (long)number, i;

	for (i = 0; !is_stopped() && (!rounds || i < rounds); i++) {
		pay(first, first + 1);
		pay(first + 1, first);
		usleep(200);
	}
	__atomic_sub_fetch(&moving, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static unsigned long long count(void)
{
	unsigned long long found;
	char text[128];
	ssize_t length = pread(file, text, sizeof(text) - 1, 0);

	text[length < 0 ? 0 : length] = '\0';
	if (sscanf(text, "accounts %*u total %llu", &found) != 1) {
		fprintf(stderr, "no total: %s\n", text);
		exit(1);
	}
	return found;
}

int main(int argc, char **argv)
{
	unsigned long long first, wrong = 0, reads = 0;
	pthread_t thread;
	long i;

	if (argc != 3)
		return 2;
	moving = atol(argv[1]);
	rounds = atol(argv[2]);
	signal(SIGTERM, stop);
	file = open("/proc/ledger", O_RDWR);
	if (file < 0) {
		perror("/proc/ledger");
		return 1;
	}
	first = count();
	for (i = atol(argv[1]) - 1; i >= 0; i--)
		if (pthread_create(&thread, NULL, mover, (void *)i))
			return 1;
	while (__atomic_load_n(&moving, __ATOMIC_SEQ_CST)) {
		/* A cent that is on its way is in one account or in the other. */
		wrong += count() != first;
		reads++;
		usleep(1000);
	}
	printf("wrong %llu%s\n", wrong, reads ? "" : ", never read");
	return 0;
}
