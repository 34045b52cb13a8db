/* SPDX-License-Identifier: GPL-2.0-only */

void lp_a(void)
{
}

void lp_s_show(void)
{
}

void lp_c(void)
{
}
