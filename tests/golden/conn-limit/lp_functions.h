/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Made by lppack for lppack_conn_limit_1: the replacements and hooks. Only the
 * addresses of replacements are used here; their real types are in the author's files.
 */
#ifndef LP_FUNCTIONS_H
#define LP_FUNCTIONS_H

struct klp_object;
struct module;

void lp_conn_free(void);
void lp_conn_syn(void);
void lp_conn_ack(void);
void lp_conn_wait(void);
void lp_conn_limit_show(void);
struct module *lp_module_conn(void);

#endif
