/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Made by lppack for lppack_proc_cmdline_1: the replacements and hooks. Only the
 * addresses of replacements are used here; their real types are in the author's files.
 */
#ifndef LP_FUNCTIONS_H
#define LP_FUNCTIONS_H

struct klp_object;
struct module;

void lp_cmdline_proc_show(void);

#endif
