/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CONN_EXT_H
#define CONN_EXT_H

struct conn;
struct seq_file;

/* What version 1 kept beside a connection. */
struct conn_ext_v1 {
	unsigned long refused;
};

/* What the new code keeps beside a connection; under its lock. */
struct conn_ext {
	unsigned long let_in;
	unsigned long refused;
};

/* The replacements. */
void lp_conn_free(struct conn *c);
int lp_conn_syn(struct conn *c);
int lp_conn_ack(struct conn *c);
int lp_conn_wait(struct conn *c);
int lp_conn_limit_show(struct seq_file *m, void *v);

#endif
