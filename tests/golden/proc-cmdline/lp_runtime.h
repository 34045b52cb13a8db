/* SPDX-License-Identifier: GPL-2.0-only */
/* Made by lppack for lppack_proc_cmdline_1: what the generated files know of one another. */
#ifndef LP_RUNTIME_H
#define LP_RUNTIME_H

#include <linux/types.h>

#endif
