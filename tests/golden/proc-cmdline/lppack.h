/* SPDX-License-Identifier: GPL-2.0-only */
/* Made by lppack for lppack_proc_cmdline_1: what the author's code may call, and must define. */
#ifndef LPPACK_H
#define LPPACK_H

#include <linux/types.h>

struct klp_object;
struct klp_state;
struct module;

/* A place where tests hold a thread. It does nothing in a module that is built for use. */
static inline void lp_test_point(const char *name)
{
}

#endif
