/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CONN_H
#define CONN_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/wait.h>

#define CONN_NAME_LEN	16

struct conn {
	struct list_head list;		/* in the table, under its lock */
	refcount_t users;
	struct mutex lock;		/* protects word and turn */
	char name[CONN_NAME_LEN];
	u32 word;			/* number of half-open requests */
	u32 turn;			/* changes when sleepers are to go on */
	wait_queue_head_t sleepers;
};

struct conn_table {
	struct mutex lock;		/* protects conns */
	struct list_head conns;
};

struct seq_file;

struct conn *conn_new(const char *name);
void conn_free(struct conn *c);
int conn_syn(struct conn *c);
int conn_ack(struct conn *c);
int conn_wait(struct conn *c);
int conn_limit_show(struct seq_file *m, void *v);

#endif
