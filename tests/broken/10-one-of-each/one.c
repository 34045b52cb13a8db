/* SPDX-License-Identifier: GPL-2.0-only */

void lp_a(void)
{
}

void lp_a_two(void)
{
}

void lp_b(void)
{
}

void take_c(void)
{
}

void lp_take(void)
{
}

void lp_up(void)
{
}

void lp_down(void)
{
}

static void use(void *p)
{
	lp_convert_conn(p);
	lp_forget_conn(p);
}
#include "lppack.h"
