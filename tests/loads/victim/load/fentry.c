// SPDX-License-Identifier: GPL-2.0-only
/*
 * fentry FUNCTION FILE [again]: attaches a BPF program to the entry of a function of vmlinux and
 * keeps the number of its runs in FILE; again: another one comes and goes all the time. Says
 * "attached" or why not. No library: the type's number comes from /sys/kernel/btf/vmlinux, and the
 * program is six instructions and a call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

static int bpf(int command, union bpf_attr *attr)
{
	int fd = syscall(SYS_bpf, command, attr, sizeof(*attr));

	if (fd < 0 && command != BPF_MAP_LOOKUP_ELEM) {
		printf("command %d: %s\n", command, strerror(errno));
		exit(1);
	}
	return fd;
}

static char *read_btf(void)
{
	size_t size = 0, room = 1 << 20;
	char *data = malloc(room);
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY);
	ssize_t got;

	if (fd < 0 || !data) {
		printf("/sys/kernel/btf/vmlinux: %s\n", strerror(errno));
		exit(1);
	}
	while ((got = read(fd, data + size, room - size)) > 0) {
		size += got;
		if (size == room)
			data = realloc(data, room *= 2);
		if (!data)
			exit(1);
	}
	close(fd);
	return data;
}

/* Documentation/bpf/btf.rst: what follows a struct btf_type, in bytes. */
static size_t extra(const struct btf_type *t)
{
	unsigned int count = BTF_INFO_VLEN(t->info);

	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return count * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return count * sizeof(struct btf_enum);
	case BTF_KIND_FUNC_PROTO:
		return count * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return count * sizeof(struct btf_var_secinfo);
	case BTF_KIND_ENUM64:
		return count * sizeof(struct btf_enum64);
	}
	return 0;
}

static unsigned int number_of(const char *function)
{
	const char *data = read_btf();
	const struct btf_header *head = (const void *)data;
	const char *strings = data + head->hdr_len + head->str_off;
	size_t at = head->hdr_len + head->type_off, end = at + head->type_len;
	const struct btf_type *t;
	unsigned int number = 1;

	for (; at < end; at += sizeof(*t) + extra(t), number++) {
		t = (const void *)(data + at);
		if (BTF_INFO_KIND(t->info) == BTF_KIND_FUNC &&
		    !strcmp(strings + t->name_off, function))
			return number;
	}
	printf("%s: no such function in BTF\n", function);
	exit(1);
}

#define INSN(c, d, s, o, i) \
	{ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }

static int load(const char *function, int map)
{
	static char log[65536];
	struct bpf_insn program[] = {
		/* key 0 on the stack; r0 = the map's value */
		INSN(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
		INSN(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, map),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		/* if there is one: add 1 to it */
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, 1),
		INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 0, 1, 0, BPF_ADD),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr = { 0 };

	attr.prog_type = BPF_PROG_TYPE_TRACING;
	attr.expected_attach_type = BPF_TRACE_FENTRY;
	attr.attach_btf_id = number_of(function);
	attr.insns = (unsigned long)program;
	attr.insn_cnt = ARRAY_SIZE(program);
	attr.license = (unsigned long)"GPL";
	attr.log_buf = (unsigned long)log;
	attr.log_size = sizeof(log);
	attr.log_level = 1;
	return bpf(BPF_PROG_LOAD, &attr);
}

/* A descriptor; the program is attached until it is closed. */
static int attach(int program)
{
	union bpf_attr link = { 0 };

	link.raw_tracepoint.prog_fd = program;
	return bpf(BPF_RAW_TRACEPOINT_OPEN, &link);
}

int main(int argc, char **argv)
{
	union bpf_attr map = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8,
			       .max_entries = 1 };
	union bpf_attr look = { 0 };
	unsigned long long runs = 0;
	unsigned int key = 0;
	char text[32];
	int file, fd, size, other = -1;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 3 && argc != 4)
		return 2;
	file = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (file < 0)
		return 1;
	fd = bpf(BPF_MAP_CREATE, &map);
	attach(load(argv[1], fd));
	if (argc == 4)
		other = load(argv[1], fd);
	puts("attached");
	look.map_fd = fd;
	look.key = (unsigned long)&key;
	look.value = (unsigned long)&runs;
	for (;;) {
		if (bpf(BPF_MAP_LOOKUP_ELEM, &look) < 0)
			return 1;
		size = snprintf(text, sizeof(text), "%llu\n", runs);
		if (pwrite(file, text, size, 0) != size)
			return 1;
		if (other < 0)
			usleep(50000);
		else
			close(attach(other));
	}
}
