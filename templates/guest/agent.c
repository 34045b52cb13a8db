// SPDX-License-Identifier: MIT
/*
 * lppack's agent: /init of a guest, or a service of one that has an init of its own. As /init it
 * prepares the root and loads the modules of /modules.list. It answers requests on the virtio-serial port "lppack.0" for ever. The console belongs to the
 * kernel; the few words of ours go through /dev/kmsg.
 *
 * Each request is carried out in a child with a deadline, as a read or write of sysfs may block
 * for ever. A child that cannot be killed is left behind and the answer is ETIMEDOUT.
 *
 * The other end is lppack/hosts/guest.py. All numbers are little endian:
 *   request:  magic u32, crc u32 (of all that follows), id u64, op u32, limit_ms u32, size u32, data
 *   response: magic u32, id u64, errno u32, size u32, data
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAGIC 0x3141504cu /* "LPA1" */
#define MAX_REQUEST (4u << 20)
#define MAX_READ (64u << 20)
#define MAX_OUTPUT (4u << 20)
#define PORT_NAME "lppack.0"
#define GRACE_MS 1000 /* for a killed child to be gone */
#define GONE_MS 300   /* for a closed port to be believed; see host_is_gone() */

enum op { PING, READ, WRITE, LIST, PUT, RUN, POWEROFF };
enum { PUT_FIRST = 1, PUT_LAST = 2 };

struct request {
	uint32_t magic, crc;
	uint64_t id;
	uint32_t op, limit_ms, size;
} __attribute__((packed));

struct response {
	uint32_t magic;
	uint64_t id;
	uint32_t error, size;
} __attribute__((packed));

struct buffer {
	char *data;
	size_t size, room;
};

struct child {
	pid_t pid;
	int ended, status;
};

static int port = -1;
static int signals = -1;
static struct child current; /* of the request that is being served */
static int abandoned;	     /* by its client */
static int64_t closed_since; /* the port's other end, as far as we know; 0 if it is open */
static struct buffer in;     /* from the port, not yet served */

static void note(const char *format, ...)
{
	char line[300] = "<4>lppack-agent: ";
	size_t start = strlen(line);
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	va_list args;

	if (fd < 0)
		return;
	va_start(args, format);
	vsnprintf(line + start, sizeof(line) - start, format, args);
	va_end(args);
	if (write(fd, line, strlen(line)) < 0) {
		/* nobody left to tell */
	}
	close(fd);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int left_ms(int64_t deadline)
{
	int64_t left = deadline - now_ms();

	return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

/* IEEE 802.3, as zlib.crc32() of Python. */
static uint32_t crc32(const void *data, size_t size)
{
	static uint32_t table[256];
	const unsigned char *at = data;
	uint32_t crc = ~0u;

	if (!table[1])
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = i;

			for (int bit = 0; bit < 8; bit++)
				c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
			table[i] = c;
		}
	while (size--)
		crc = table[(crc ^ *at++) & 0xff] ^ (crc >> 8);
	return ~crc;
}

/* ---- buffers ---- */

static int reserve(struct buffer *b, size_t more)
{
	size_t room = b->room ? b->room : 4096;
	char *data;

	while (room < b->size + more)
		room *= 2;
	if (room == b->room)
		return 0;
	data = realloc(b->data, room);
	if (!data)
		return -1;
	b->data = data;
	b->room = room;
	return 0;
}

static void drop(struct buffer *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

/* One read(2) at the end of the buffer: what it returned. */
static ssize_t fill(struct buffer *b, int fd)
{
	ssize_t got;

	if (reserve(b, 65536))
		return -1;
	got = read(fd, b->data + b->size, 65536);
	if (got > 0)
		b->size += (size_t)got;
	return got;
}

static int write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size) {
		ssize_t done = write(fd, at, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		at += done;
		size -= (size_t)done;
	}
	return 0;
}

/* ---- children ---- */

/* Reaps whatever has ended: the current child, those left behind, and orphans (we are PID 1). */
static void reap(void)
{
	struct signalfd_siginfo drained[16];
	int status;
	pid_t pid;

	while (read(signals, drained, sizeof(drained)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == current.pid) {
			current.ended = 1;
			current.status = status;
		}
}

static pid_t start_child(void)
{
	sigset_t none;
	pid_t pid;

	memset(&current, 0, sizeof(current));
	pid = fork();
	if (pid) {
		current.pid = pid;
		return pid;
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	return 0;
}

static void kill_child(void)
{
	int64_t deadline = now_ms() + GRACE_MS;

	if (current.ended)
		return;
	/* The group may not exist yet, as the child makes it itself. */
	if (kill(-current.pid, SIGKILL))
		kill(current.pid, SIGKILL);
	while (!current.ended && left_ms(deadline)) {
		struct pollfd wait = { .fd = signals, .events = POLLIN };

		poll(&wait, 1, left_ms(deadline));
		reap();
	}
}

/*
 * Is the host's end of the port closed for good? We hear of opening and closing later than of data
 * (drivers/char/virtio_console.c: control_work_handler() is a work item, in_intr() is not). So when
 * one client follows another at once, its data may come while the port still looks closed, and
 * the port may look closed for a moment later on.
 */
static int host_is_gone(void)
{
	struct pollfd p = { .fd = port };

	if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLHUP))
		closed_since = 0;
	else if (!closed_since)
		closed_since = now_ms();
	return closed_since && now_ms() - closed_since >= GONE_MS;
}

/* More from the host. That some came says that the end is open, whatever it looks like. */
static int receive(void)
{
	if (fill(&in, port) <= 0)
		return 0;
	closed_since = 0;
	return 1;
}

/*
 * A client waits for its answer before it says more. So when its end is closed, or there is more
 * to read (from the next client, which was so quick that we did not see the end closed), nobody
 * waits for this answer.
 */
static int client_gave_up(void)
{
	abandoned = abandoned || receive() || host_is_gone();
	return abandoned;
}

/* Waits for "wait[0]" (signals) and others; a closed port would be ready all the time. */
static void wait_for(struct pollfd *wait, nfds_t count, struct pollfd *of_port, int limit_ms)
{
	if (closed_since) {
		of_port->fd = -1;
		limit_ms = limit_ms < GONE_MS / 4 ? limit_ms : GONE_MS / 4;
	}
	poll(wait, count, limit_ms);
}

/* ---- operations, in the child: data to "out"; the value is the errno ---- */

static int do_read(const char *path, int out)
{
	static char chunk[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return errno;
	while ((got = read(fd, chunk, sizeof(chunk))) != 0) {
		if (got < 0)
			return errno;
		if (write_all(out, chunk, (size_t)got))
			return errno;
	}
	return 0;
}

/*
 * A single write(2), as an attribute of sysfs takes its value. O_TRUNC as the shell's ">" has it;
 * no O_CREAT, so that a missing attribute is ENOENT.
 */
static int do_write(const char *path, const char *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ssize_t done;

	if (fd < 0)
		return errno;
	done = write(fd, data, size);
	if (done < 0)
		return errno;
	if (close(fd))
		return errno;
	return (size_t)done == size ? 0 : EIO;
}

static int do_list(const char *path, int out)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return errno;
	while ((errno = 0, entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (write_all(out, entry->d_name, strlen(entry->d_name) + 1))
			return errno;
	}
	return errno;
}

static int make_parents(char *path)
{
	for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = 0;
		if (mkdir(path, 0755) && errno != EEXIST)
			return errno;
		*at = '/';
	}
	return 0;
}

static int do_put(char *path, uint32_t mode, uint32_t flags, const char *data, size_t size)
{
	char draft[4096];
	int error = flags & PUT_FIRST ? make_parents(path) : 0;
	int fd;

	if (error)
		return error;
	if ((size_t)snprintf(draft, sizeof(draft), "%s.lppack-new", path) >= sizeof(draft))
		return ENAMETOOLONG;
	fd = open(draft, O_WRONLY | O_APPEND | O_CLOEXEC | (flags & PUT_FIRST ? O_CREAT | O_TRUNC : 0),
		  0600);
	if (fd < 0)
		return errno;
	if (write_all(fd, data, size) || ((flags & PUT_LAST) && fchmod(fd, mode & 07777)) ||
	    close(fd) || ((flags & PUT_LAST) && rename(draft, path))) {
		error = errno;
		unlink(draft);
	}
	return error;
}

static int do_in_child(const struct request *r, char *data, int out)
{
	size_t path_size = strnlen(data, r->size) + 1;
	uint32_t mode, flags;

	if (r->op == PUT) { /* mode u32, flags u32, path, NUL, data */
		if (r->size < 8)
			return EINVAL;
		memcpy(&mode, data, 4);
		memcpy(&flags, data + 4, 4);
		path_size = strnlen(data + 8, r->size - 8) + 1;
		if (path_size > r->size - 8)
			return EINVAL;
		return do_put(data + 8, mode, flags, data + 8 + path_size, r->size - 8 - path_size);
	}
	if (path_size > r->size)
		return EINVAL;
	switch (r->op) {
	case READ:
		return do_read(data, out);
	case LIST:
		return do_list(data, out);
	case WRITE:
		return do_write(data, data + path_size, r->size - path_size);
	default:
		return ENOSYS;
	}
}

/* ---- serving, in the agent ---- */

/* The child's last four bytes are the errno; a child that was killed leaves none. */
static uint32_t serve_file(const struct request *r, char *data, struct buffer *answer)
{
	int64_t deadline = now_ms() + r->limit_ms;
	uint32_t error;
	int ends[2], open_end = 1;

	if (pipe2(ends, O_CLOEXEC))
		return (uint32_t)errno;
	switch (start_child()) {
	case -1:
		error = (uint32_t)errno;
		close(ends[0]);
		close(ends[1]);
		return error;
	case 0:
		error = (uint32_t)do_in_child(r, data, ends[1]);
		_exit(write_all(ends[1], &error, sizeof(error)) ? 1 : 0);
	}
	close(ends[1]);
	error = 0;
	while (open_end || !current.ended) {
		struct pollfd wait[] = { { .fd = signals, .events = POLLIN },
					 { .fd = port, .events = POLLIN },
					 { .fd = open_end ? ends[0] : -1, .events = POLLIN } };

		wait_for(wait, 3, &wait[1], left_ms(deadline));
		if (client_gave_up())
			error = ECANCELED;
		else if (!left_ms(deadline))
			error = ETIMEDOUT;
		else if (wait[2].revents && fill(answer, ends[0]) <= 0)
			open_end = 0;
		else if (answer->size > MAX_READ)
			error = EFBIG;
		if (error)
			break;
		reap();
	}
	close(ends[0]);
	if (error) {
		kill_child();
	} else if (!WIFEXITED(current.status) || WEXITSTATUS(current.status) ||
		   answer->size < sizeof(error)) {
		error = EIO; /* the child was killed: an oops does that */
	} else {
		answer->size -= sizeof(error);
		memcpy(&error, answer->data + answer->size, sizeof(error));
	}
	if (error)
		answer->size = 0;
	return error;
}

static char **split(char *data, size_t size)
{
	size_t count = 0, at;
	char **words;

	if (!size || data[size - 1])
		return NULL;
	for (at = 0; at < size; at++)
		count += !data[at];
	words = calloc(count + 1, sizeof(*words));
	if (!words)
		return NULL;
	for (count = 0, at = 0; at < size; at += strlen(data + at) + 1)
		words[count++] = data + at;
	return words;
}

/* Takes what is there; what goes beyond the limit is read and forgotten. True: there may be more. */
static int drain(struct buffer *b, int fd)
{
	static const char cut[] = "\n[lppack-agent: output cut here]\n";
	ssize_t got = fill(b, fd);

	if (b->size > MAX_OUTPUT) {
		b->size = MAX_OUTPUT;
		memcpy(b->data + MAX_OUTPUT - sizeof(cut) + 1, cut, sizeof(cut) - 1);
	}
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static void exec_child(char **argv, int out, int err, int failed)
{
	int null = open("/dev/null", O_RDONLY);

	if (null >= 0 && chdir("/") == 0 && dup2(null, 0) == 0 && dup2(out, 1) == 1 &&
	    dup2(err, 2) == 2) {
		if (null > 2)
			close(null);
		execvp(argv[0], argv);
	}
	if (write(failed, &errno, sizeof(errno)) < 0) {
		/* the agent says EIO */
	}
	_exit(127);
}

/* Answer: rc i32, size of out u32, out, err. */
static uint32_t serve_run(const struct request *r, char *data, struct buffer *answer)
{
	int64_t deadline = now_ms() + r->limit_ms;
	int out[2] = { -1, -1 }, err[2] = { -1, -1 }, failed[2] = { -1, -1 };
	struct buffer kept[2] = { { 0 } };
	char **argv = split(data, r->size);
	uint32_t error = 0, out_size;
	int32_t rc;
	int exec_error, open_out = 1, open_err = 1;

	if (!argv || !argv[0][0]) {
		free(argv);
		return EINVAL;
	}
	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC) || pipe2(failed, O_CLOEXEC) ||
	    start_child() < 0) {
		error = (uint32_t)errno;
		goto done;
	}
	if (!current.pid)
		exec_child(argv, out[1], err[1], failed[1]);
	close(out[1]);
	close(err[1]);
	close(failed[1]);
	out[1] = err[1] = failed[1] = -1;
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	while (!current.ended) {
		struct pollfd wait[] = { { .fd = signals, .events = POLLIN },
					 { .fd = port, .events = POLLIN },
					 { .fd = open_out ? out[0] : -1, .events = POLLIN },
					 { .fd = open_err ? err[0] : -1, .events = POLLIN } };

		if (!left_ms(deadline))
			break;
		wait_for(wait, 4, &wait[1], left_ms(deadline));
		if (client_gave_up()) {
			error = ECANCELED;
			break;
		}
		if (wait[2].revents)
			open_out = drain(&kept[0], out[0]);
		if (wait[3].revents)
			open_err = drain(&kept[1], err[0]);
		reap();
	}
	if (current.ended)
		rc = WIFSIGNALED(current.status) ? 128 + WTERMSIG(current.status) :
						   WEXITSTATUS(current.status);
	else
		rc = 124;
	kill_child();
	/* A pipe holds 64 KiB, and drain() takes as much: no need to wait for grandchildren. */
	if (open_out)
		drain(&kept[0], out[0]);
	if (open_err)
		drain(&kept[1], err[0]);
	if (current.ended && read(failed[0], &exec_error, sizeof(exec_error)) == sizeof(exec_error))
		error = (uint32_t)exec_error;
	if (!error) {
		if (reserve(answer, 8 + kept[0].size + kept[1].size)) {
			error = ENOMEM;
			goto done;
		}
		out_size = (uint32_t)kept[0].size;
		memcpy(answer->data, &rc, 4);
		memcpy(answer->data + 4, &out_size, 4);
		answer->size = 8;
		for (int i = 0; i < 2; i++)
			if (kept[i].size) {
				memcpy(answer->data + answer->size, kept[i].data, kept[i].size);
				answer->size += kept[i].size;
			}
	}
done:
	for (int i = 0; i < 2; i++) {
		drop(&kept[i]);
		if (out[i] >= 0)
			close(out[i]);
		if (err[i] >= 0)
			close(err[i]);
		if (failed[i] >= 0)
			close(failed[i]);
	}
	free(argv);
	return error;
}

/* To the host, or to nobody if it has gone: the next one must not get the answer of another. */
static void send_to_host(const void *data, size_t size)
{
	const char *at = data;

	while (size) {
		ssize_t done = write(port, at, size);
		struct pollfd wait = { .fd = port, .events = POLLOUT };

		if (done > 0) {
			at += done;
			size -= (size_t)done;
			continue;
		}
		if (done < 0 && errno != EAGAIN && errno != EINTR)
			return;
		if (host_is_gone())
			return;
		if (closed_since)
			wait.fd = signals, wait.events = POLLIN;
		poll(&wait, 1, GONE_MS / 4);
		reap();
	}
}

static void power_off(void)
{
	int64_t deadline = now_ms() + 5000;

	if (!start_child()) {
		sync();
		_exit(0);
	}
	while (!current.ended && left_ms(deadline)) {
		struct pollfd wait = { .fd = signals, .events = POLLIN };

		poll(&wait, 1, left_ms(deadline));
		reap();
	}
	reboot(RB_POWER_OFF);
	reboot(RB_AUTOBOOT);
}

static void serve(const struct request *r, char *data)
{
	struct response head = { .magic = MAGIC, .id = r->id };
	struct buffer answer = { 0 };

	abandoned = 0;
	if (r->op == RUN)
		head.error = serve_run(r, data, &answer);
	else if (r->op != PING && r->op != POWEROFF)
		head.error = serve_file(r, data, &answer);
	current.pid = 0;
	head.size = (uint32_t)answer.size;
	if (!abandoned) {
		send_to_host(&head, sizeof(head));
		send_to_host(answer.data, answer.size);
	}
	drop(&answer);
	if (r->op == POWEROFF)
		power_off();
}

static void forget(size_t size)
{
	in.size -= size;
	memmove(in.data, in.data + size, in.size);
}

/* The request at "at", if it is whole and undamaged. */
static int take(size_t at, struct request *r)
{
	const size_t covered = offsetof(struct request, id);

	memcpy(r, in.data + at, sizeof(*r));
	return r->magic == MAGIC && r->size <= MAX_REQUEST &&
	       in.size - at >= sizeof(*r) + r->size &&
	       crc32(in.data + at + covered, sizeof(*r) - covered + r->size) == r->crc;
}

/*
 * Serves what is whole. A client may go away half-way in a request. The next one begins with a
 * ping and waits for its answer; so a ping at the very end of what has come tells that all before
 * it is of no use, also where it looks like the data of an unfinished request.
 */
static void parse(void)
{
	const size_t size = sizeof(struct request);
	struct request r;

	while (in.size >= size) {
		if (take(0, &r)) {
			char *data = malloc(r.size + 1);

			if (!data) {
				note("out of memory");
				in.size = 0;
				return;
			}
			memcpy(data, in.data + size, r.size);
			data[r.size] = 0;
			forget(size + r.size);
			serve(&r, data);
			free(data);
		} else if (in.size > size && take(in.size - size, &r) && r.op == PING) {
			forget(in.size - size);
		} else if (memcmp(in.data, "LPA1", 4) || in.size > size + MAX_REQUEST) {
			in.size = 0;
		} else {
			return;
		}
	}
}

static void serve_for_ever(void)
{
	for (;;) {
		struct pollfd wait[] = { { .fd = signals, .events = POLLIN },
					 { .fd = port, .events = POLLIN } };

		/* SIGIO says that a host opens the port: handle_control_message() there. */
		wait_for(wait, 2, &wait[1], 60000);
		reap();
		if (receive())
			parse();
		host_is_gone();
	}
}

/* ---- start ---- */

static void mount_at(const char *type, const char *path)
{
	mkdir(path, 0755);
	if (mount(type, path, type, 0, NULL) && errno != EBUSY)
		note("mount %s: %s", path, strerror(errno));
}

static void prepare_root(void)
{
	if (getpid() != 1)
		return;
	mount_at("devtmpfs", "/dev");
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("tmpfs", "/tmp");
	mount_at("tmpfs", "/run");
	mount_at("debugfs", "/sys/kernel/debug");
	mount_at("tracefs", "/sys/kernel/tracing");
	chmod("/tmp", 01777);
}

static void prepare_environment(void)
{
	clearenv(); /* the kernel passes words of its command line on */
	setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
	setenv("HOME", "/", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
}

static void load_modules(void)
{
	FILE *list = fopen("/modules.list", "re");
	char path[512];

	while (list && fgets(path, sizeof(path), list)) {
		int fd;

		path[strcspn(path, "\n")] = 0;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
			note("load %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	if (list)
		fclose(list);
}

/* The port's device, or 0 while there is none: its name comes some time after the module. */
static int find_port(char *device, size_t size)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	int found = 0;

	while (dir && !found && (entry = readdir(dir))) {
		char path[512], name[64] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry->d_name);
		file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!file)
			continue;
		if (fgets(name, sizeof(name), file)) {
			name[strcspn(name, "\n")] = 0;
			found = !strcmp(name, PORT_NAME);
			snprintf(device, size, "/dev/%s", entry->d_name);
		}
		fclose(file);
	}
	if (dir)
		closedir(dir);
	return found;
}

static void open_port(void)
{
	char device[300];

	for (int tries = 0; port < 0; tries++) {
		if (find_port(device, sizeof(device)))
			port = open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (port < 0 && tries % 500 == 499)
			note("still no port %s", PORT_NAME);
		if (port < 0)
			poll(NULL, 0, 20);
	}
	fcntl(port, F_SETOWN, getpid());
	fcntl(port, F_SETFL, O_NONBLOCK | O_ASYNC);
}

int main(void)
{
	sigset_t ours;

	prepare_root();
	prepare_environment();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ours);
	sigaddset(&ours, SIGCHLD);
	sigaddset(&ours, SIGIO);
	sigprocmask(SIG_BLOCK, &ours, NULL);
	signals = signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
	load_modules();
	open_port();
	serve_for_ever();
	return 0;
}
