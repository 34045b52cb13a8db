/* SPDX-License-Identifier: GPL-2.0-only */
/* Made by lppack for lppack_conn_limit_1: what the author's code may call, and must define. */
#ifndef LPPACK_H
#define LPPACK_H

#include <linux/types.h>

struct klp_object;
struct klp_state;
struct module;

#include "target/conn.h"

#include "conn_ext.h"

/* The module conn, as THIS_MODULE in its own code; NULL while it is not loaded. */
struct module *lp_module_conn(void);

/*
 * Transform conn. Only its marker, under its lock, says which form an
 * instance has.
 *
 * The author defines these. take takes a mutex, or an rw_semaphore for writing: no lock under
 * which sleeping is forbidden. Code under it must not load or unload a module, write below
 * /sys/kernel/livepatch or to a parameter of this module, or wait for one that does. The marker
 * and both directions run under it. reverse needs no memory and cannot fail.
 */
bool lp_conn_is_new(const struct conn *obj);
void lp_conn_lock(struct conn *obj);
void lp_conn_unlock(struct conn *obj);
int lp_conn_upgrade(struct conn *obj);
void lp_conn_downgrade(struct conn *obj);

/*
 * Call it before an instance is used, in process context, without its lock and with a reference:
 * converts the instance if conversion is on. On return it may be in either form; take the lock and
 * call the marker.
 */
void lp_convert_conn(struct conn *obj);

/*
 * Call it when the last reference to an instance has gone, before it is freed: drops it from the
 * tracked ones and frees its shadow variables. In process context: it may sleep while that very
 * instance is being reversed, so neither the caller nor the caller's callers hold its lock. Every
 * way to free an instance goes through it, also in the target's exit and in the error path of its
 * init. And nothing that outlives this module may point into it: no ops, timer, work, lock class,
 * string.
 */
void lp_forget_conn(struct conn *obj);

/*
 * Shadow variable conn_ext of struct conn: new data. Use it only
 * under the lock of an instance that is in the new form. get_or_alloc returns the variable if there
 * is one; otherwise it allocates one if transform conn converts, and returns NULL
 * if not, or without memory. It does not sleep. The constructor runs with interrupts off under the
 * lock of all shadow variables, so it must not use one itself.
 */
struct conn_ext *conn_ext_get(struct conn *obj);
struct conn_ext *conn_ext_get_or_alloc(struct conn *obj);

/* A place where tests hold a thread. It does nothing in a module that is built for use. */
static inline void lp_test_point(const char *name)
{
}

#endif
