// SPDX-License-Identifier: GPL-2.0-only
/*
 * load NAME VISITORS MS: keeps the victim in use until it is killed with all of its process group.
 * VISITORS processes read /proc/victim_call at offset MS, one after the other; NAME says what goes
 * on beside. Each system call that ends with EINTR, and whatever fails, is a line on stdout.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

static int victim;
static long ms;

static void tell(const char *what)
{
	char line[128];
	int size = snprintf(line, sizeof(line), "%s: %s\n", what, strerror(errno));

	if (write(1, line, size) != size)
		_exit(1);
}

static void fail(const char *what)
{
	tell(what);
	_exit(1);
}

static void one_call(void)
{
	char byte;

	if (pread(victim, &byte, 1, ms) != 1)
		tell("victim_call");
}

static void visitor(void)
{
	for (;;)
		one_call();
}

static void pause_ms(long duration)
{
	struct timespec left = { duration / 1000, duration % 1000 * 1000000 };

	while (nanosleep(&left, &left))
		;
}

static pid_t start(void (*body)(void))
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (!pid) {
		body();
		_exit(0);
	}
	return pid;
}

static void await(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0)
		if (errno != EINTR)
			fail("waitpid");
}

/* ---- processes that come and go ---- */

static void forker(void)
{
	for (;;)
		await(start(one_call));
}

/* Children that die in the middle of a visit. */
static void killer(void)
{
	pid_t pid;

	for (;;) {
		pid = start(visitor);
		pause_ms(ms / 2);
		kill(pid, SIGKILL);
		await(pid);
	}
}

static void vforker(void)
{
	for (;;) {
		pid_t pid = vfork();

		if (pid < 0)
			fail("vfork");
		if (!pid) {
			char byte;

			/* The parent sleeps in the kernel until this child is gone. */
			_exit(pread(victim, &byte, 1, ms) != 1);
		}
		await(pid);
	}
}

/* ---- on the way out of the kernel ---- */

/* Each close visits the victim in its system call, and in task work at the end of it. */
static void closer(void)
{
	int fd;

	for (;;) {
		fd = open("/dev/victim_close", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			fail("/dev/victim_close");
		close(fd);
	}
}

static int blocked_fd;

static void *blocked_reader(void *unused)
{
	char byte;

	/* Drops the last reference on the way out, as the descriptor is closed by then. */
	if (read(blocked_fd, &byte, 1) < 0)
		fail("read of victim_blocked");
	return unused;
}

/* A thread that is held up by a task work: the final fput of what it has just read. */
static void blocker(void)
{
	pthread_t thread;

	blocked_fd = open("/dev/victim_blocked", O_RDONLY | O_CLOEXEC);
	if (blocked_fd < 0)
		fail("/dev/victim_blocked");
	if (pthread_create(&thread, NULL, blocked_reader, NULL))
		fail("pthread_create");
	pause_ms(300);	/* it reads by then */
	close(blocked_fd);
	pthread_join(thread, NULL);
}

/* ---- never in the kernel, and never out of it ---- */

static void spinner(void)
{
	for (;;)
		__asm__("" : : : "memory");
}

/* Has nothing to do with the victim, and never sleeps: whoever holds it is seen to. */
static void bystander(void)
{
	int counts = open("/proc/victim", O_WRONLY | O_CLOEXEC);

	if (counts < 0 || write(counts, "watch", 5) != 5)
		fail("/proc/victim");
	for (;;)
		syscall(SYS_getppid);
}

static void epoller(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int set = epoll_create1(0), never = eventfd(0, 0);

	if (set < 0 || never < 0 || epoll_ctl(set, EPOLL_CTL_ADD, never, &event))
		fail("epoll");
	for (;;)
		if (epoll_wait(set, &event, 1, -1) < 0)
			tell("epoll_wait");
}

static void poller(void)
{
	struct pollfd never = { .fd = eventfd(0, 0), .events = POLLIN };

	for (;;)
		if (poll(&never, 1, -1) < 0)
			tell("poll");
}

static void signal_waiter(void)
{
	sigset_t none;

	sigemptyset(&none);
	for (;;)
		if (sigtimedwait(&none, NULL, NULL) < 0)
			tell("sigtimedwait");
}

static void sleeper(void)
{
	for (;;)
		pause_ms(100000);
}

/* ---- io_uring: visits by io workers, and a thread that waits inside for what never comes ---- */

struct ring {
	int fd;
	unsigned int *head, *tail, *mask, *array;	/* of submissions */
	unsigned int *done_head, *done_tail, *done_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static void *map_ring(int fd, size_t size, off_t where)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, where);

	if (at == MAP_FAILED)
		fail("mmap of the ring");
	return at;
}

static struct ring open_ring(unsigned int entries)
{
	struct io_uring_params p = { 0 };
	struct ring r = { .fd = syscall(SYS_io_uring_setup, entries, &p) };
	char *sq, *cq;

	if (r.fd < 0)
		fail("io_uring_setup");
	sq = map_ring(r.fd, p.sq_off.array + p.sq_entries * sizeof(int), IORING_OFF_SQ_RING);
	cq = map_ring(r.fd, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		      IORING_OFF_CQ_RING);
	r.sqes = map_ring(r.fd, p.sq_entries * sizeof(*r.sqes), IORING_OFF_SQES);
	r.tail = (void *)(sq + p.sq_off.tail);
	r.mask = (void *)(sq + p.sq_off.ring_mask);
	r.array = (void *)(sq + p.sq_off.array);
	r.done_head = (void *)(cq + p.cq_off.head);
	r.done_tail = (void *)(cq + p.cq_off.tail);
	r.done_mask = (void *)(cq + p.cq_off.ring_mask);
	r.cqes = (void *)(cq + p.cq_off.cqes);
	return r;
}

static void submit_read(struct ring *r, int fd, void *buf, __u64 offset, __u8 flags)
{
	unsigned int tail = *r->tail, slot = tail & *r->mask;

	r->sqes[slot] = (struct io_uring_sqe) {
		.opcode = IORING_OP_READ,
		.flags = flags,	/* IOSQE_ASYNC: by an io worker */
		.fd = fd,
		.addr = (unsigned long)buf,
		.len = 1,
		.off = offset,
	};
	r->array[slot] = slot;
	__atomic_store_n(r->tail, tail + 1, __ATOMIC_RELEASE);
}

static void enter_ring(struct ring *r, unsigned int submit, unsigned int wait)
{
	if (syscall(SYS_io_uring_enter, r->fd, submit, wait, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		tell("io_uring_enter");
}

static unsigned int ready(struct ring *r)
{
	return __atomic_load_n(r->done_tail, __ATOMIC_ACQUIRE) - *r->done_head;
}

/* Takes what is done from the ring: how many. */
static unsigned int reap(struct ring *r)
{
	unsigned int count = ready(r), i;
	int result;

	for (i = 0; i < count; i++) {
		result = r->cqes[(*r->done_head + i) & *r->done_mask].res;
		if (result < 0) {
			errno = -result;
			tell("what a ring was asked");
		}
	}
	__atomic_store_n(r->done_head, *r->done_head + count, __ATOMIC_RELEASE);
	return count;
}

static void ring_visitor(void)
{
	struct ring r = open_ring(8);
	unsigned int i, pending = 0;
	static char bytes[8];

	for (;;) {
		for (i = pending; i < 8; i++)
			submit_read(&r, victim, &bytes[i], ms, IOSQE_ASYNC);
		enter_ring(&r, 8 - pending, 1);
		pending = 8 - reap(&r);
	}
}

/* Done when the timer is; what is linked to it is done then, in the task work of whoever waits. */
static void submit_poll(struct ring *r, int timer, __u8 flags)
{
	unsigned int tail = *r->tail, slot = tail & *r->mask;

	r->sqes[slot] = (struct io_uring_sqe) {
		.opcode = IORING_OP_POLL_ADD,
		.flags = flags,
		.fd = timer,
		.poll32_events = POLLIN,
	};
	r->array[slot] = slot;
	__atomic_store_n(r->tail, tail + 1, __ATOMIC_RELEASE);
}

static int open_timer(void)
{
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (timer < 0)
		fail("timerfd_create");
	return timer;
}

static void start_timer(int timer, unsigned int after_ms)
{
	const struct itimerspec once = {
		.it_value = { .tv_sec = after_ms / 1000, .tv_nsec = after_ms % 1000 * 1000000 },
	};

	if (timerfd_settime(timer, 0, &once, NULL))
		fail("timerfd_settime");
}

/*
 * One system call that waits, and meanwhile reads the victim twice in its task work: in
 * LEAVE_KERNEL both see one universe. Between them the ring wakes it once more, for what others
 * have queued: what the ring itself has goes before that. A timeout of the ring would end the wait.
 */
static void ring_caller(void)
{
	static const char mixed[] = "mixed";
	struct ring r = open_ring(8);
	int first = open_timer(), between = open_timer(), second = open_timer();
	int device, counts, calls;
	char seen[2];

	device = open("/dev/victim", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	counts = open("/proc/victim", O_WRONLY | O_CLOEXEC);
	if (device < 0 || counts < 0)
		fail("/dev/victim");
	for (;;) {
		/* A read takes more than twice ms. */
		start_timer(first, 20);
		start_timer(between, 20 + 3 * ms);
		start_timer(second, 20 + 4 * ms);
		submit_poll(&r, first, IOSQE_IO_LINK);
		submit_read(&r, device, &seen[0], ms, 0);
		submit_poll(&r, between, 0);
		submit_poll(&r, second, IOSQE_IO_LINK);
		submit_read(&r, device, &seen[1], ms, 0);
		if (syscall(SYS_io_uring_enter, r.fd, 5, 0, 0, NULL, 0) != 5)
			fail("io_uring_enter");
		/* One that is interrupted may say that all is well, and is followed by another. */
		for (calls = 0; ready(&r) < 5; calls++)
			enter_ring(&r, 0, 5);
		reap(&r);
		if (calls == 1 && (seen[0] | seen[1]) == '3' &&
		    write(counts, mixed, sizeof(mixed) - 1) < 0)
			fail("/proc/victim");
	}
}

static void ring_waiter(void)
{
	struct ring r = open_ring(8);
	int never[2];
	char byte;

	if (pipe(never))
		fail("pipe");
	submit_read(&r, never[0], &byte, 0, IOSQE_ASYNC);
	enter_ring(&r, 1, 1);
	for (;;)
		enter_ring(&r, 0, 1);
}

/* ---- stopped and traced ---- */

static void stopper(void)
{
	pid_t pid = start(visitor);

	for (;;) {
		kill(pid, SIGSTOP);
		pause_ms(60);
		kill(pid, SIGCONT);
		pause_ms(20);
	}
}

static void stopped_for_good(void)
{
	raise(SIGSTOP);
}

static void traced(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		fail("PTRACE_TRACEME");
	raise(SIGSTOP);
	visitor();
}

/* Stops its child at the border of each system call, both ways. */
static void tracer(void)
{
	pid_t pid = start(traced);
	int status;

	for (;;) {
		if (waitpid(pid, &status, 0) < 0)
			fail("waitpid of the traced");
		pause_ms(2);
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL))
			fail("PTRACE_SYSCALL");
	}
}

/* A child that is traced and stopped, and that nobody lets go on. */
static void tracer_for_good(void)
{
	pid_t pid = start(traced);

	if (waitpid(pid, NULL, WUNTRACED) < 0)
		fail("waitpid of the stopped");
	sleeper();
}

/* ---- a function of vmlinux ---- */

static void reader(void)
{
	char text[4096];
	int fd;

	for (;;) {
		fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
		if (fd < 0 || read(fd, text, sizeof(text)) <= 0)
			fail("/proc/cmdline");
		close(fd);
		pause_ms(2);
	}
}

struct load {
	void (*bodies[4])(void);
	int copies;	/* of each */
	const char *name;
};

static const struct load loads[] = {
	{ { 0 }, 0, "visitors" },
	{ { forker }, 4, "fork" },
	{ { vforker }, 4, "vfork" },
	{ { killer }, 4, "die" },
	{ { closer }, 6, "close" },
	{ { blocker }, 12, "blocked" },
	{ { spinner }, 2, "spin" },
	{ { bystander }, 1, "bystander" },
	{ { ring_visitor, ring_waiter, ring_caller }, 2, "io_uring" },
	{ { epoller, poller, signal_waiter, sleeper }, 2, "epoll" },
	{ { tracer, tracer_for_good }, 2, "traced" },
	{ { stopper, stopped_for_good }, 2, "stopped" },
	{ { reader }, 4, "cmdline" },
};

int main(int argc, char **argv)
{
	const struct load *load = loads, *end = loads + ARRAY_SIZE(loads);
	long visitors, copy;
	int i;

	if (argc != 4)
		return 2;
	visitors = atol(argv[2]);
	ms = atol(argv[3]);
	victim = open("/proc/victim_call", O_RDONLY | O_CLOEXEC);
	if (victim < 0)
		fail("/proc/victim_call");
	while (load < end && strcmp(load->name, argv[1]))
		load++;
	if (load == end)
		return 2;
	for (copy = 0; copy < visitors; copy++)
		start(visitor);
	for (copy = 0; copy < load->copies; copy++)
		for (i = 0; i < 4 && load->bodies[i]; i++)
			start(load->bodies[i]);
	sleeper();
}
