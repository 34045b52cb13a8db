/* SPDX-License-Identifier: GPL-2.0-only */

void lp_f(void)
{
}

void lp_is_new(void)
{
}

void lp_lock(void)
{
}

void lp_change(void)
{
}

static void use(void *p)
{
	lp_convert_conn(p);
	lp_forget_conn(p);
}
#include "lppack.h"
